// SPDX-License-Identifier: MIT
import java.util.Arrays;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveAction;

/** matmul with RecursiveAction: invokeAll of four quarters. See product.h for what all of them do. */
final class Main extends RecursiveAction {
    private static final long serialVersionUID = 1;
    private static final int LEAF = 32;

    private static double[] a, b, c;
    private static int stride;

    private final int atA, atB, atC, size; // the squares begin there, in their matrices

    private Main(int atA, int atB, int atC, int size) {
        this.atA = atA;
        this.atB = atB;
        this.atC = atC;
        this.size = size;
    }

    /** Four rows of b at a time: for the compiler's vectors, a loop over one is too short to be worth while. */
    private void leaf() {
        double[] a = Main.a, b = Main.b, c = Main.c;
        for (int i = 0; i < LEAF; i++) {
            int toC = atC + i * stride;
            for (int k = 0; k < LEAF; k += 4) {
                int fromA = atA + i * stride + k;
                double a0 = a[fromA], a1 = a[fromA + 1], a2 = a[fromA + 2], a3 = a[fromA + 3];
                int b0 = atB + k * stride, b1 = b0 + stride, b2 = b1 + stride, b3 = b2 + stride;
                for (int j = 0; j < LEAF; j++)
                    c[toC + j] += a0 * b[b0 + j] + a1 * b[b1 + j] + a2 * b[b2 + j] + a3 * b[b3 + j];
            }
        }
    }

    /** With the left half of a and the upper half of b, or (second) with the others. */
    private Main quarter(int i, int second) {
        int half = size / 2, down = half * stride, row = i / 2 * down, column = i % 2 * half;
        return new Main(atA + row + second * half, atB + second * down + column, atC + row + column, half);
    }

    @Override
    protected void compute() {
        if (size == LEAF) {
            leaf();
            return;
        }
        for (int second = 0; second < 2; second++)
            invokeAll(quarter(0, second), quarter(1, second), quarter(2, second), quarter(3, second));
    }

    private static long rowWeight(int row) {
        return row % 11 + 1;
    }

    private static long columnWeight(int column) {
        return column % 13 + 1;
    }

    /** Returns the check to expect. */
    private static long fill(int n) {
        a = new double[n * n];
        b = new double[n * n];
        c = new double[n * n];
        stride = n;
        long expected = 0;
        for (int k = 0; k < n; k++) {
            long column = 0, row = 0;
            for (int i = 0; i < n; i++) {
                int ofA = (i * k + 3 * i + k) % 7, ofB = (k * i + k + 5 * i) % 5;
                a[i * n + k] = ofA;
                b[k * n + i] = ofB;
                column += ofA * rowWeight(i);
                row += ofB * columnWeight(i);
            }
            expected += column * row;
        }
        return expected;
    }

    private static long check() {
        long sum = 0;
        for (int i = 0; i < c.length; i++)
            sum += (long) c[i] * rowWeight(i / stride) * columnWeight(i % stride);
        return sum;
    }

    private static long round(ForkJoinPool pool, long expected) {
        Arrays.fill(c, 0);
        long start = System.nanoTime();
        pool.invoke(new Main(0, 0, 0, stride));
        Bench.time(System.nanoTime() - start);
        long sum = check();
        if (sum != expected)
            throw Bench.fail("the product's sum is %d, not %d", sum, expected);
        return sum;
    }

    public static void main(String[] args) throws Exception {
        var defaults = new Bench.Options();
        defaults.size = 512;
        Bench.main(args, defaults, options -> {
            int n = (int) options.size;
            if (n < LEAF || n > 16384 || Integer.bitCount(n) != 1)
                throw Bench.fail("the size is a power of two from %d to 16384", LEAF);
            var pool = new ForkJoinPool(options.workers);
            long expected = fill(n);
            return () -> round(pool, expected);
        });
    }
}
