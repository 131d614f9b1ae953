// SPDX-License-Identifier: MIT
import java.util.Arrays;
import java.util.function.LongSupplier;

/** What a benchmark program in Java shares with all the others: its options, its rounds, its output; as bench.h does. */
final class Bench {
    /** A zero in the defaults means what it does in bench.h. */
    static final class Options {
        int workers, rounds, warmup, producers;
        long size, chunk;
        double load;
    }

    /** Sets up; the round that it gives is timed as a whole and returns the value to check. */
    interface Setup {
        LongSupplier apply(Options options) throws Exception;
    }

    private static long time;
    private static final StringBuilder metrics = new StringBuilder();

    private Bench() {}

    /** Says so on standard error and ends the process with status 1. */
    static RuntimeException fail(String format, Object... args) {
        System.err.printf("Bench: " + format + "%n", args);
        Runtime.getRuntime().halt(1);
        return new IllegalStateException(); // so that callers can throw it, for the compiler's sake
    }

    /** A further figure of the round under way. By the thread that runs it, as are the next two. */
    static void metric(String name, long value) {
        metrics.append(' ').append(name).append('=').append(value);
    }

    /** This is the time of the round under way, and not all of it. */
    static void time(long ns) {
        time = ns;
    }

    /** Sorts the samples, of which there is at least one, and tells their p50, p99 and p999. */
    static void percentiles(long[] samples) {
        Arrays.sort(samples);
        metric("p50", samples[rank(samples.length, 500)]);
        metric("p99", samples[rank(samples.length, 990)]);
        metric("p999", samples[rank(samples.length, 999)]);
    }

    private static int rank(int n, int perMille) {
        return (int) (((long) n * perMille + 999) / 1000 - 1);
    }

    private static void badUsage(String why) {
        System.err.println("Bench: " + why);
        System.exit(2);
    }

    private static void set(Options o, String option, String text) {
        switch (option) {
            case "--workers": o.workers = Integer.parseUnsignedInt(text); break;
            case "--rounds": o.rounds = Integer.parseUnsignedInt(text); break;
            case "--warmup": o.warmup = Integer.parseUnsignedInt(text); break;
            case "--producers": o.producers = Integer.parseUnsignedInt(text); break;
            case "--size": o.size = Long.parseUnsignedLong(text); break;
            case "--chunk": o.chunk = Long.parseUnsignedLong(text); break;
            case "--load": o.load = Double.parseDouble(text); break;
            default: badUsage("unknown option " + option);
        }
    }

    private static void parse(String[] args, Options o) {
        for (int i = 0; i < args.length; i += 2) {
            try {
                set(o, args[i], i + 1 < args.length ? args[i + 1] : "");
            } catch (NumberFormatException e) {
                badUsage(args[i] + ": " + e.getMessage());
            }
        }
        o.workers = o.workers > 0 ? o.workers : Runtime.getRuntime().availableProcessors();
        o.rounds = o.rounds > 0 ? o.rounds : 3;
        o.producers = o.producers > 0 ? o.producers : 1;
    }

    /** Reads the options, sets up, runs the rounds, and ends the process. */
    static void main(String[] args, Options options, Setup setup) throws Exception {
        parse(args, options);
        LongSupplier round = setup.apply(options);
        long first = 0;
        for (int i = 0; i < options.warmup + options.rounds; i++) {
            time = -1;
            metrics.setLength(0);
            long start = System.nanoTime();
            long check = round.getAsLong();
            long all = System.nanoTime() - start;
            if (i == 0)
                first = check;
            if (check != first)
                throw fail("round %d gives %d, the first gave %d", i, check, first);
            if (i >= options.warmup)
                System.out.println("ns=" + (time >= 0 ? time : all) + " check=" + check + metrics);
        }
        System.exit(0); // pools with threads that are no daemons do not hold it up
    }
}
