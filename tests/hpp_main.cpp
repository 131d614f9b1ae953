// SPDX-License-Identifier: MIT
// Runs the tests of the file that it is linked with; also the second translation unit that has filch.hpp.
#include "hpp.hpp"

filch::future<std::string> submit_elsewhere(filch::pool_ref pool)
{
    return pool.submit(
        [](filch::task &self, std::string text) { return self.submit([text] { return text; }).get(); },
        "from elsewhere");
}

int main()
{
    for (const test &each : tests()) {
        std::printf("%s\n", each.name);
        std::fflush(stdout);
        each.run();
    }
    return tests().empty();
}
