// SPDX-License-Identifier: MIT
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;

/** nqueens with RecursiveTask: all boards that a row makes but the last are forked. See board.h for what all do. */
final class Main extends RecursiveTask<Long> {
    private static final long serialVersionUID = 1;
    private final byte[] columns;
    private final int row, size;

    private Main(byte[] columns, int row, int size) {
        this.columns = columns;
        this.row = row;
        this.size = size;
    }

    private boolean allows(int column) {
        for (int above = 0; above < row; above++) {
            int apart = column - columns[above];
            if (apart == 0 || apart == row - above || apart == above - row)
                return false;
        }
        return true;
    }

    private Main with(int column) {
        byte[] next = columns.clone();
        next[row] = (byte) column;
        return new Main(next, row + 1, size);
    }

    @Override
    protected Long compute() {
        if (row == size)
            return 1L;
        var next = new Main[size];
        int count = 0;
        for (int column = 0; column < size; column++)
            if (allows(column))
                next[count++] = with(column);
        if (count == 0)
            return 0L;
        for (int i = 0; i < count - 1; i++)
            next[i].fork();
        long sum = next[count - 1].compute();
        for (int i = count - 1; i-- > 0;)
            sum += next[i].join();
        return sum;
    }

    public static void main(String[] args) throws Exception {
        var defaults = new Bench.Options();
        defaults.size = 10;
        Bench.main(args, defaults, options -> {
            var pool = new ForkJoinPool(options.workers);
            return () -> pool.invoke(new Main(new byte[(int) options.size], 0, (int) options.size));
        });
    }
}
