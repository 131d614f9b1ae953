// SPDX-License-Identifier: MIT
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How long it takes from stopping a pool, with tasks of 10 us queued, until it has ended and every future is
 * done. The workers are held until all is queued.
 */
final class Main {
    private static final long TASK_NS = 10_000;

    private static void work(AtomicLong started) {
        long end = System.nanoTime() + TASK_NS;
        started.incrementAndGet();
        while (System.nanoTime() < end)
            Thread.onSpinWait();
    }

    private static void queue(ExecutorService pool, Future<?>[] futures, AtomicLong started, int workers)
            throws InterruptedException {
        CountDownLatch held = new CountDownLatch(workers), gate = new CountDownLatch(1);
        for (int i = 0; i < workers; i++)
            pool.submit(() -> {
                held.countDown();
                gate.await();
                return null;
            });
        held.await();
        for (int i = 0; i < futures.length; i++)
            futures[i] = pool.submit(() -> work(started));
        gate.countDown();
        while (started.get() == 0)
            Thread.yield();
    }

    private static long round(Future<?>[] futures, int workers) {
        ExecutorService pool =
            new ForkJoinPool(workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, true);
        AtomicLong started = new AtomicLong();
        try {
            queue(pool, futures, started, workers);
            long before = started.get(), start = System.nanoTime();
            pool.shutdownNow(); // cancels what is queued
            if (!pool.awaitTermination(1, TimeUnit.MINUTES))
                throw Bench.fail("the pool does not end");
            Bench.time(System.nanoTime() - start);
            Bench.metric("started", started.get() - before);
        } catch (InterruptedException e) {
            throw Bench.fail("%s", e);
        }
        long done = 0;
        for (Future<?> future : futures)
            done += future.isDone() ? 1 : 0;
        return done;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 100_000;
        Bench.main(args, defaults, o -> {
            Future<?>[] futures = new Future<?>[(int) o.size];
            return () -> round(futures, o.workers);
        });
    }
}
