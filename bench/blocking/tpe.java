// SPDX-License-Identifier: MIT
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Tasks that each block for 20 ms. */
final class Main {
    private static long block(long value) throws InterruptedException {
        Thread.sleep(20);
        return 2 * value;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static long round(ExecutorService pool, int size) {
        Future<Long>[] futures = new Future[size];
        long sum = 0;
        for (int i = 0; i < size; i++) {
            long value = i;
            futures[i] = pool.submit(() -> block(value));
        }
        try {
            for (Future<Long> future : futures)
                sum += future.get();
        } catch (InterruptedException | ExecutionException e) {
            throw Bench.fail("%s", e);
        }
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 100;
        Bench.main(args, defaults, o -> {
            ExecutorService pool = Executors.newFixedThreadPool(o.workers);
            return () -> round(pool, (int) o.size);
        });
    }
}
