// SPDX-License-Identifier: MIT
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.TimeUnit;

/** Tasks that each block for 20 ms, and say so: as many threads as there are tasks may stand in. */
final class Main {
    private static final class Blocker implements ForkJoinPool.ManagedBlocker {
        private boolean over;

        @Override
        public boolean isReleasable() {
            return over;
        }

        @Override
        public boolean block() throws InterruptedException {
            Thread.sleep(20);
            over = true;
            return true;
        }
    }

    private static long block(long value) throws InterruptedException {
        ForkJoinPool.managedBlock(new Blocker());
        return 2 * value;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static long round(ForkJoinPool pool, int size) {
        ForkJoinTask<Long>[] futures = new ForkJoinTask[size];
        long sum = 0;
        for (int i = 0; i < size; i++) {
            long value = i;
            futures[i] = pool.submit(() -> block(value));
        }
        for (ForkJoinTask<Long> future : futures)
            sum += future.join();
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 100;
        Bench.main(args, defaults, o -> {
            ForkJoinPool pool =
                new ForkJoinPool(o.workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, true,
                    o.workers, o.workers + (int) o.size, o.workers, null, 60, TimeUnit.SECONDS);
            return () -> round(pool, (int) o.size);
        });
    }
}
