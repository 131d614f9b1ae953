// SPDX-License-Identifier: MIT
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Each main forks its sub tasks in the pool that runs it, and collects them in completion order, from a queue.
 * Waiting at it is a managed block, so that the pool has another thread meanwhile.
 */
final class Main {
    /** Takes an item from a queue, with the pool's help if it must wait for it. */
    private static final class Taker implements ForkJoinPool.ManagedBlocker {
        private final LinkedBlockingQueue<Long> queue;
        private Long item;

        Taker(LinkedBlockingQueue<Long> queue) {
            this.queue = queue;
        }

        @Override
        public boolean isReleasable() {
            return item != null || (item = queue.poll()) != null;
        }

        @Override
        public boolean block() throws InterruptedException {
            if (item == null)
                item = queue.take();
            return true;
        }

        long take() throws InterruptedException {
            item = null;
            ForkJoinPool.managedBlock(this);
            return item;
        }
    }

    private static long mainTask(long index, long subs) throws InterruptedException {
        LinkedBlockingQueue<Long> results = new LinkedBlockingQueue<>();
        Taker taker = new Taker(results);
        long sum = 0;
        for (long i = index * subs; i < (index + 1) * subs; i++) {
            long value = i;
            ForkJoinTask.adapt(() -> results.add(2 * value)).fork();
        }
        for (long i = 0; i < subs; i++)
            sum += taker.take();
        return sum;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static long round(ForkJoinPool pool, Bench.Options o) {
        ForkJoinTask<Long>[] mains = new ForkJoinTask[(int) o.size];
        long sum = 0;
        for (int i = 0; i < o.size; i++) {
            long index = i;
            mains[i] = pool.submit(() -> mainTask(index, o.chunk));
        }
        for (ForkJoinTask<Long> main : mains)
            sum += main.join();
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 1000;
        defaults.chunk = 100;
        Bench.main(args, defaults, o -> {
            int mostThreads = 4096; // by default it throws when 256 mains wait at once
            ForkJoinPool pool =
                new ForkJoinPool(o.workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, false,
                    o.workers, mostThreads, 1, null, 60, TimeUnit.SECONDS);
            return () -> round(pool, o);
        });
    }
}
