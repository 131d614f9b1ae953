// SPDX-License-Identifier: MIT
// The same as filch.c, by ExecutorCompletionService.
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Task {
    record Result(int number, int steps) {}

    static Result steps(int number, int unlucky) {
        if (number == unlucky)
            throw new IllegalArgumentException(number + " is unlucky");
        int n = 0;
        for (long x = number; x != 1; x = x % 2 == 1 ? 3 * x + 1 : x / 2)
            n++;
        return new Result(number, n);
    }

    public static void main(String[] args) throws InterruptedException {
        int tasks = args.length > 0 ? Integer.parseInt(args[0]) : 20;
        int unlucky = args.length > 1 ? Integer.parseInt(args[1]) : 0;
        int done = 0, cancelled = 0, sum = 0;
        List<Throwable> errors = new ArrayList<>();
        List<Future<Result>> futures = new ArrayList<>();
        ExecutorService pool = Executors.newFixedThreadPool(2);
        try {
            var completed = new ExecutorCompletionService<Result>(pool);
            for (int i = 1; i <= tasks; i++) {
                int number = i;
                futures.add(completed.submit(() -> steps(number, unlucky)));
            }
            for (int i = 0; i < tasks; i++) {
                try {
                    Result result = completed.take().get();
                    System.out.println(result.number() + ": " + result.steps());
                    sum += result.steps();
                    done++;
                } catch (CancellationException e) {
                    cancelled++;
                } catch (ExecutionException e) {
                    errors.add(e.getCause());
                    for (Future<Result> future : futures)
                        future.cancel(true);
                }
            }
        } finally {
            pool.shutdown();
        }
        System.out.printf("%d tasks: %d done, %d failed, %d cancelled%n", tasks, done, errors.size(), cancelled);
        System.out.println(errors.isEmpty() ? "sum: " + sum : "failed: " + errors.get(0).getMessage());
        System.exit(errors.size());
    }
}
