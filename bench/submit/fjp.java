// SPDX-License-Identifier: MIT
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;

/** Threads outside the pool submit tasks; each sums the results of its own futures. */
final class Main {
    private static long produce(ExecutorService pool, Future<Long>[] futures, int from, int to) throws Exception {
        long sum = 0;
        for (int i = from; i < to; i++) {
            long value = i;
            futures[i] = pool.submit(() -> 2 * value);
        }
        for (int i = from; i < to; i++)
            sum += futures[i].get();
        return sum;
    }

    private static long round(ExecutorService pool, Future<Long>[] futures, Bench.Options o) {
        long[] sums = new long[o.producers];
        Thread[] threads = new Thread[o.producers];
        long sum = 0;
        try {
            for (int p = 0; p < o.producers; p++) {
                int producer = p;
                int from = (int) (o.size * p / o.producers), to = (int) (o.size * (p + 1) / o.producers);
                threads[p] = new Thread(() -> {
                    try {
                        sums[producer] = produce(pool, futures, from, to);
                    } catch (Exception e) {
                        throw Bench.fail("%s", e);
                    }
                });
                threads[p].start();
            }
            for (int p = 0; p < o.producers; p++) {
                threads[p].join();
                sum += sums[p];
            }
        } catch (InterruptedException e) {
            throw Bench.fail("%s", e);
        }
        return sum;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 100_000;
        Bench.main(args, defaults, o -> {
            ExecutorService pool =
                new ForkJoinPool(o.workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, true);
            Future<Long>[] futures = new Future[(int) o.size];
            return () -> round(pool, futures, o);
        });
    }
}
