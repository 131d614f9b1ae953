// SPDX-License-Identifier: MIT
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ForkJoinPool;

/**
 * What CPU time a pool and its runtime take that have run one task and now have nothing to do, for `size`
 * milliseconds.
 */
final class Main {
    /** That of all threads; what Java itself tells of the process is in steps of 10 ms. */
    private static long cpuTime() throws IOException {
        long used = 0;
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path thread : threads)
                used += cpuTime(thread);
        }
        return used;
    }

    private static long cpuTime(Path thread) throws IOException {
        try {
            return Long.parseLong(Files.readString(thread.resolve("schedstat")).split(" ")[0]);
        } catch (NoSuchFileException e) {
            return 0; // it has just ended
        }
    }

    private static long round(ExecutorService pool, long size) {
        try {
            cpuTime(); // what it takes the first time is not the pool's
            long result = pool.submit(() -> 2 * 21L).get();
            long before = cpuTime();
            Thread.sleep(size);
            long used = cpuTime() - before;
            Bench.metric("cpu_ns", used);
            Bench.time(used);
            return result;
        } catch (Exception e) {
            throw Bench.fail("%s", e);
        }
    }

    public static void main(String[] args) throws Exception {
        Bench.Options defaults = new Bench.Options();
        defaults.size = 500;
        Bench.main(args, defaults, o -> {
            ExecutorService pool =
                new ForkJoinPool(o.workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, true);
            return () -> round(pool, o.size);
        });
    }
}
