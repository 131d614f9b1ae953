// SPDX-License-Identifier: MIT
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;

/** Many tasks that are to start 100 ms from now. */
final class Main {
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static long round(ForkJoinPool pool, int size) {
        CompletableFuture<Long>[] futures = new CompletableFuture[size];
        long sum = 0;
        for (int i = 0; i < size; i++) {
            long value = i;
            Executor later = CompletableFuture.delayedExecutor(100, TimeUnit.MILLISECONDS, pool);
            futures[i] = CompletableFuture.supplyAsync(() -> 2 * value, later);
        }
        for (CompletableFuture<Long> future : futures)
            sum += future.join();
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 10_000;
        Bench.main(args, defaults, o -> {
            ForkJoinPool pool =
                new ForkJoinPool(o.workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, true);
            return () -> round(pool, (int) o.size);
        });
    }
}
