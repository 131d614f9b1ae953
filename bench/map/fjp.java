// SPDX-License-Identifier: MIT
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveAction;
import java.util.stream.IntStream;

/**
 * A function is applied to each element of an array: by a parallel stream, or by halving down to the chunk
 * asked for.
 */
final class Main {
    private static final class Chunks extends RecursiveAction {
        private static final long serialVersionUID = 1;
        private final transient long[] in, out;
        private final int from, to, chunk;

        Chunks(long[] in, long[] out, int from, int to, int chunk) {
            this.in = in;
            this.out = out;
            this.from = from;
            this.to = to;
            this.chunk = chunk;
        }

        @Override
        protected void compute() {
            if (to - from <= chunk) {
                for (int i = from; i < to; i++)
                    out[i] = 2 * in[i];
                return;
            }
            int middle = (from + to) >>> 1;
            invokeAll(new Chunks(in, out, from, middle, chunk), new Chunks(in, out, middle, to, chunk));
        }
    }

    private static long round(ForkJoinPool pool, long[] in, long[] out, int chunk) {
        long start = System.nanoTime();
        if (chunk > 0)
            pool.invoke(new Chunks(in, out, 0, in.length, chunk));
        else
            pool.submit(() -> IntStream.range(0, in.length).parallel().forEach(i -> out[i] = 2 * in[i])).join();
        Bench.time(System.nanoTime() - start);
        long sum = 0;
        for (long result : out)
            sum += result;
        return sum;
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 1_000_000;
        Bench.main(args, defaults, o -> {
            ForkJoinPool pool = new ForkJoinPool(o.workers);
            long[] in = new long[(int) o.size], out = new long[(int) o.size];
            for (int i = 0; i < in.length; i++)
                in[i] = i;
            return () -> round(pool, in, out, (int) o.chunk);
        });
    }
}
