// SPDX-License-Identifier: MIT
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * By how many bytes the process grows for each task that is pending, and its future. The workers are held
 * meanwhile.
 */
final class Main {
    private static final long PAGE = 4096;

    private static long before; // bytes resident before the first round's tasks

    private static long resident() throws IOException {
        return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]) * PAGE;
    }

    private static void holdWorkers(ExecutorService pool, CountDownLatch gate, int n) throws Exception {
        CountDownLatch held = new CountDownLatch(n);
        for (int i = 0; i < n; i++)
            pool.submit(() -> {
                held.countDown();
                gate.await();
                return null;
            });
        held.await();
        if (before == 0)
            before = resident();
    }

    private static long round(ExecutorService pool, Future<Long>[] futures, int workers) {
        CountDownLatch gate = new CountDownLatch(1);
        long sum = 0;
        try {
            holdWorkers(pool, gate, workers);
            for (int i = 0; i < futures.length; i++) {
                long value = i;
                futures[i] = pool.submit(() -> 2 * value);
            }
            Bench.metric("bytes", (resident() - before) / futures.length);
            gate.countDown();
            for (Future<Long> future : futures)
                sum += future.get();
        } catch (Exception e) {
            throw Bench.fail("%s", e);
        }
        return sum;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 100_000;
        Bench.main(args, defaults, o -> {
            ExecutorService pool = Executors.newFixedThreadPool(o.workers);
            Future<Long>[] futures = new Future[(int) o.size];
            Arrays.fill(futures, CompletableFuture.completedFuture(0L)); // resident from the start
            return () -> round(pool, futures, o.workers);
        });
    }
}
