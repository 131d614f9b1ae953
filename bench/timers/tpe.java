// SPDX-License-Identifier: MIT
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** Many tasks that are to start 100 ms from now. */
final class Main {
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static long round(ScheduledExecutorService pool, int size) {
        ScheduledFuture<Long>[] futures = new ScheduledFuture[size];
        long sum = 0;
        for (int i = 0; i < size; i++) {
            long value = i;
            futures[i] = pool.schedule(() -> 2 * value, 100, TimeUnit.MILLISECONDS);
        }
        try {
            for (ScheduledFuture<Long> future : futures)
                sum += future.get();
        } catch (InterruptedException | ExecutionException e) {
            throw Bench.fail("%s", e);
        }
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 10_000;
        Bench.main(args, defaults, o -> {
            ScheduledExecutorService pool = Executors.newScheduledThreadPool(o.workers);
            return () -> round(pool, (int) o.size);
        });
    }
}
