// SPDX-License-Identifier: MIT
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;

/**
 * Tasks of 100 us by the clock arrive at random, at a share `load` of what so many workers could do: how long each
 * waits, from when it was to arrive until it starts.
 */
final class Main {
    private static final long SERVICE_NS = 100_000;

    private final ExecutorService pool;
    private final Future<Long>[] futures;
    private final double[] arrivals; // of a process of rate 1
    private final long[] delays;
    private final double capacityGap; // ns between arrivals at capacity

    @SuppressWarnings({"unchecked", "rawtypes"})
    private Main(Bench.Options o) {
        int size = (int) o.size;
        pool = Executors.newFixedThreadPool(o.workers);
        futures = new Future[size];
        arrivals = schedule(size);
        delays = new long[size];
        capacityGap = (double) SERVICE_NS / o.workers;
        serveAll(0); // for the compiler
    }

    private static long step(long x) {
        x ^= x << 13;
        x ^= x >>> 7;
        return x ^ x << 17;
    }

    private static double[] schedule(int size) {
        double[] arrivals = new double[size];
        long seed = 88172645463325252L;
        double now = 0;
        for (int i = 0; i < size; i++) {
            seed = step(seed);
            now -= Math.log(((seed >>> 11) + 1) * 0x1p-53);
            arrivals[i] = now;
        }
        return arrivals;
    }

    private long serve(int index, long intended) {
        long started = System.nanoTime();
        delays[index] = started - intended;
        while (System.nanoTime() - started < SERVICE_NS)
            continue;
        return 2L * index;
    }

    private static void waitUntil(long when) {
        for (long wait; (wait = when - System.nanoTime()) > 0;)
            LockSupport.parkNanos(wait);
    }

    private long serveAll(double gap) {
        long start = System.nanoTime(), sum = 0;
        for (int i = 0; i < futures.length; i++) {
            int index = i;
            long intended = start + (long) (arrivals[i] * gap);
            waitUntil(intended);
            futures[i] = pool.submit(() -> serve(index, intended));
        }
        try {
            for (Future<Long> future : futures)
                sum += future.get();
        } catch (InterruptedException | ExecutionException e) {
            throw Bench.fail("%s", e);
        }
        return sum;
    }

    private long round(double load) {
        long sum = serveAll(capacityGap / load);
        long[] sorted = delays.clone();
        Bench.percentiles(sorted);
        Bench.time(sorted[(sorted.length - 1) / 2]);
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 10_000;
        defaults.load = 0.8;
        Bench.main(args, defaults, o -> {
            Main program = new Main(o);
            return () -> program.round(o.load);
        });
    }
}
