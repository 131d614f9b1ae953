// SPDX-License-Identifier: MIT
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;

/** fib(size) with RecursiveTask, as its own documentation has it: one call is forked, the other made in place. */
final class Main extends RecursiveTask<Integer> {
    private static final long serialVersionUID = 1;
    private final int n;

    private Main(int n) {
        this.n = n;
    }

    @Override
    protected Integer compute() {
        if (n < 2)
            return n;
        var left = new Main(n - 1);
        left.fork();
        return new Main(n - 2).compute() + left.join();
    }

    public static void main(String[] args) throws Exception {
        var defaults = new Bench.Options();
        defaults.size = 30;
        Bench.main(args, defaults, options -> {
            var pool = new ForkJoinPool(options.workers);
            return () -> pool.invoke(new Main((int) options.size));
        });
    }
}
