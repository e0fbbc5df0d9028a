/*
 * Measures launches on a board without Python: runs the experiments it carries on an OpenCL device
 * with profiling events, and prints rows of the measured schema (docs/measure.md).
 *
 * Every experiment runs in a child process: a driver that crashes or hangs takes the child along,
 * and the next one goes on without the launch that was being tried.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board.h"
#include "opencl.h"
#include "payload.h"

#include "experiments.c"

/*
 * Shared with the children: where one is, and what must not be tried again. `cause` is the signal
 * that killed a child, or the negative error of OpenCL that a launch ended with.
 */
struct progress {
    int experiment, step, error;
    unsigned skipped;
    struct {
        int experiment, step, cause;
    } skip[64];
};

static struct {
    unsigned repeat, warmup, seconds;
    int platform, device;
    const char *library, *name;
    FILE *out;
} options;

/* Exit code of a child whose queue is not to be trusted any more. */
enum { QUEUE_LOST = 9 };

static struct progress *progress;
static cl_device_id device;
static cl_context context;
static cl_command_queue queue;
static char device_name[256], driver[256], version[256];
static int failures;

#include "device.c"
#include "passes.c"
#include "rows.c"

static void explain(struct step *step, int cause) {
    if (cause < 0)
        fail(step, "the launch fails as it runs", cause);
    else if (cause == SIGALRM)
        snprintf(step->reason, sizeof step->reason, "no sign of life for %u s", options.seconds);
    else
        snprintf(step->reason, sizeof step->reason, "the process was killed by signal %d", cause);
}

static void run(struct experiment *e, int number) {
    progress->step = -1;
    alarm(options.seconds);
    for (uint32_t i = 0; i < e->n_steps; i++)
        if (e->steps[i].kind == STEP_LAUNCH)
            e->steps[i].times = room(options.repeat, sizeof(uint64_t));
    for (unsigned i = 0; i < progress->skipped; i++)
        if (progress->skip[i].experiment == number)
            explain(&e->steps[progress->skip[i].step], progress->skip[i].cause);
    create_objects(e);
    /* In the first pass each launch runs alone, so that one that fails is known. */
    pass(e, 1, 0);
    for (unsigned i = 1; i < options.warmup; i++)
        pass(e, (int)e->latency, 0);
    for (unsigned i = 0; i < options.repeat; i++)
        pass(e, (int)e->latency, 1);
    alarm(0);
    print_rows(e);
    for (uint32_t i = 0; i < e->n_memory; i++)
        if (e->memory[i].handle)
            p_clReleaseMemObject(e->memory[i].handle);
}

/* The child: every experiment from the one where the last child stopped. */
static int work(struct experiment *experiments, uint32_t count) {
    const char *problem = open_device();
    if (problem) {
        fprintf(stderr, "gpusim-measure: %s\n", problem);
        return 3;
    }
    for (int i = progress->experiment; i < (int)count; i++) {
        progress->experiment = i;
        run(&experiments[i], i);
    }
    p_clReleaseCommandQueue(queue);
    p_clReleaseContext(context);
    return failures ? 2 : 0;
}

static int supervise(struct experiment *experiments, uint32_t count) {
    int result = 0;
    for (;;) {
        fflush(options.out);
        pid_t child = fork();
        if (child == 0)
            _exit((result = work(experiments, count), fflush(options.out), result));
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0) {
            perror("gpusim-measure");
            return 1;
        }
        int lost = WIFEXITED(status) && WEXITSTATUS(status) == QUEUE_LOST;
        if (WIFEXITED(status) && !lost)
            return WEXITSTATUS(status) ? WEXITSTATUS(status) : result;
        int cause = lost ? progress->error : WTERMSIG(status);
        if (progress->step < 0 || progress->skipped == 64) {
            fprintf(stderr, "gpusim-measure: the driver fails (%d)\n", cause);
            return 1;
        }
        for (unsigned i = 0; i < progress->skipped; i++)
            if (progress->skip[i].experiment == progress->experiment &&
                progress->skip[i].step == progress->step) {
                fprintf(stderr, "gpusim-measure: the driver fails again and again\n");
                return 1;
            }
        progress->skip[progress->skipped].experiment = progress->experiment;
        progress->skip[progress->skipped].step = progress->step;
        progress->skip[progress->skipped++].cause = cause;
        result = 2;
    }
}

static const char usage[] =
    "usage: gpusim-measure [-o FILE.csv] [--repeat N] [--warmup N] [--platform N] [--device N]\n"
    "                      [--library PATH] [--name TEXT] [--timeout SECONDS] [--root DIR]\n";

static unsigned number(const char *text) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '-' || *end || end == text || errno || value > 1000000) {
        fprintf(stderr, "gpusim-measure: not a number: %s\n%s", text, usage);
        exit(2);
    }
    return (unsigned)value;
}

int main(int argc, char **argv) {
    const char *file = NULL;
    cursor = replayer_payload;
    if (memcmp(cursor, "GPSMEAS1", 8) != 0)
        return 1;
    cursor += 8;
    options.repeat = take_u32();
    options.warmup = take_u32();
    options.name = copy_of(take_text());
    options.platform = options.device = -1;
    options.seconds = 300;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value || argv[i][0] != '-') {
            fputs(usage, stderr);
            return 2;
        }
        if (!strcmp(argv[i], "-o"))
            file = value;
        else if (!strcmp(argv[i], "--repeat"))
            options.repeat = number(value);
        else if (!strcmp(argv[i], "--warmup"))
            options.warmup = number(value);
        else if (!strcmp(argv[i], "--platform"))
            options.platform = (int)number(value);
        else if (!strcmp(argv[i], "--device"))
            options.device = (int)number(value);
        else if (!strcmp(argv[i], "--library"))
            options.library = value;
        else if (!strcmp(argv[i], "--name"))
            options.name = value;
        else if (!strcmp(argv[i], "--timeout"))
            options.seconds = number(value);
        else if (!strcmp(argv[i], "--root"))
            board_root = value;
        else {
            fputs(usage, stderr);
            return 2;
        }
    }
    options.repeat = options.repeat ? options.repeat : 1;
    options.out = file ? fopen(file, "w") : stdout;
    if (!options.out) {
        perror(file);
        return 2;
    }
    uint32_t count = take_u32();
    struct experiment *experiments = room(count, sizeof *experiments);
    for (uint32_t i = 0; i < count; i++)
        read_experiment(&experiments[i]);
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        perror("gpusim-measure");
        return 1;
    }
    fputs("device,kernel,params,global_size,local_size,metric,value,unit,source\n", options.out);
    int result = supervise(experiments, count);
    if (fflush(options.out) != 0) {
        perror("gpusim-measure");
        return 1;
    }
    return result;
}
