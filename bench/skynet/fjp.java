// SPDX-License-Identifier: MIT
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;

/** skynet with RecursiveTask: all children of a node but the last are forked, and joined newest first. */
final class Main extends RecursiveTask<Long> {
    private static final long serialVersionUID = 1;
    private static final int CHILDREN = 10;
    private final long first, size;

    private Main(long first, long size) {
        this.first = first;
        this.size = size;
    }

    @Override
    protected Long compute() {
        if (size <= 1)
            return first;
        long part = size / CHILDREN;
        var forked = new Main[CHILDREN - 1];
        for (int i = 0; i < forked.length; i++) {
            forked[i] = new Main(first + i * part, part);
            forked[i].fork();
        }
        long sum = new Main(first + (CHILDREN - 1) * part, part).compute();
        for (int i = forked.length; i-- > 0;)
            sum += forked[i].join();
        return sum;
    }

    public static void main(String[] args) throws Exception {
        var defaults = new Bench.Options();
        defaults.size = 1000000;
        Bench.main(args, defaults, options -> {
            var pool = new ForkJoinPool(options.workers);
            return () -> pool.invoke(new Main(0, options.size));
        });
    }
}
