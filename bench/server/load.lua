-- SPDX-License-Identifier: MIT
-- What wrk asks of a server: `wrk -s load.lua URL -- LOAD [GZIP_FILE]`. At the end prints one line of figures for run.sh.

local requests = {}
local turn = 0

local function get(items)
    return wrk.format("GET", "/work?" .. items)
end

local function post(file)
    local body = assert(io.open(file, "rb"))
    local data = body:read("*a")
    body:close()
    return wrk.format("POST", "/gunzip", { ["Content-Type"] = "application/gzip" }, data)
end

local mebibyte = "hash=1048576"
local four = mebibyte .. "&" .. mebibyte .. "&" .. mebibyte .. "&" .. mebibyte

function init(args)
    local load, file = args[1], args[2]
    if load == "short" then
        requests = { get("hash=1024&hash=1024&hash=1024&hash=1024") }
    elseif load == "long" then
        requests = { get(four), post(file) }
    elseif load == "slow" then -- the long ones of the mix
        requests = { get(four .. "&sleep=5"), post(file) }
    else
        error("no such load: " .. tostring(load))
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("figures %.3f %d %d %d %d %d %d %d\n", summary.requests * 1e6 / summary.duration,
        latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
        summary.requests, errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
