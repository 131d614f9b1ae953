// SPDX-License-Identifier: MIT
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** How long it takes from submitting a task to a pool that sleeps until the task starts. */
final class Main {
    private static final int UNTIL_ASLEEP_MS = 2;

    private static long started; // ordered by the future

    private static long round(ExecutorService pool, int size) {
        long[] latencies = new long[size];
        long sum = 0;
        try {
            for (int i = 0; i < size; i++) {
                long index = i;
                Thread.sleep(UNTIL_ASLEEP_MS);
                long submitted = System.nanoTime();
                sum += pool.submit(() -> {
                    started = System.nanoTime();
                    return 2 * index;
                }).get();
                latencies[i] = started - submitted;
            }
        } catch (Exception e) {
            throw Bench.fail("%s", e);
        }
        Bench.percentiles(latencies);
        Bench.time(latencies[(size - 1) / 2]);
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 200;
        Bench.main(args, defaults, o -> {
            ExecutorService pool = Executors.newFixedThreadPool(o.workers);
            return () -> round(pool, (int) o.size);
        });
    }
}
