// SPDX-License-Identifier: MIT
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ForkJoinPool;

/** Results are consumed in completion order, from a completion service. */
final class Main {
    private static long round(ExecutorService pool, long size) {
        CompletionService<Long> service = new ExecutorCompletionService<>(pool);
        long sum = 0;
        for (long i = 0; i < size; i++) {
            long value = i;
            service.submit(() -> 2 * value);
        }
        try {
            for (long i = 0; i < size; i++)
                sum += service.take().get();
        } catch (InterruptedException | ExecutionException e) {
            throw Bench.fail("%s", e);
        }
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 100_000;
        Bench.main(args, defaults, o -> {
            ExecutorService pool =
                new ForkJoinPool(o.workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, true);
            return () -> round(pool, o.size);
        });
    }
}
