/* Rows of the measured schema. */
static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static double median(const uint64_t *sorted, unsigned n) {
    return n % 2 ? (double)sorted[n / 2] : 0.5 * ((double)sorted[n / 2 - 1] + (double)sorted[n / 2]);
}

/* The inside of a quoted CSV field. */
static void print_text(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"')
            fputc('"', options.out);
        fputc((unsigned char)bytes[i] < ' ' ? '?' : bytes[i], options.out);
    }
}

static void print_field(struct text text) {
    fputs(",\"", options.out);
    print_text(text.bytes, text.length);
    fputc('"', options.out);
}

static void print_row(struct experiment *e, struct row *row, struct step *best,
                      const char *reason) {
    FILE *out = options.out;
    fputc('"', out);
    print_text(options.name[0] ? options.name : device_name,
               strlen(options.name[0] ? options.name : device_name));
    fputc('"', out);
    print_field(row->kernel);
    fputs(",\"", out);
    print_text(row->params.bytes, row->params.length);
    /* An object without members has no comma before its first one. */
    fprintf(out, "%s\"\"n_samples\"\": %u", row->params.length > 1 ? ", " : "",
            best ? best->n_times : 0);
    if (best) {
        unsigned n = best->n_times;
        uint64_t low = best->times[n / 4], high = best->times[n > 1 ? 3 * n / 4 : 0];
        fprintf(out, ", \"\"min_us\"\": %.3f, \"\"max_us\"\": %.3f, \"\"spread\"\": %.4f",
                (double)best->times[0] / 1e3, (double)best->times[n - 1] / 1e3,
                (double)(high - low) / median(best->times, n));
    }
    if (best && e->programs[best->program].dropped[0]) {
        const char *dropped = e->programs[best->program].dropped;
        fputs(", \"\"dropped_option\"\": \"\"", out);
        print_text(dropped, strcspn(dropped, "\"\\"));
        fputs("\"\"", out);
    }
    print_board(out);
    if (!best)
        fprintf(out, ", \"\"error\"\": \"\"%s\"\"", reason);
    fputs("}\"", out);
    print_field(row->global);
    print_field(row->local);
    print_field(row->metric);
    if (best) {
        double ns = median(best->times, best->n_times);
        fprintf(out, ",%.6g", row->amount > 0 ? row->factor * row->amount / ns : row->factor * ns);
    } else {
        fputc(',', out);
    }
    print_field(row->unit);
    fputs(",\"gpusim-measure; ", out);
    print_text(version, strlen(version));
    fputs("; ", out);
    print_text(driver, strlen(driver));
    fputs("\"\n", out);
    if (!best) {
        fprintf(stderr, "gpusim-measure: %.*s: %s\n", (int)row->kernel.length, row->kernel.bytes,
                reason);
        failures++;
    }
}

static void print_rows(struct experiment *e) {
    for (uint32_t r = 0; r < e->n_rows; r++) {
        struct step *best = NULL;
        const char *reason = "no times";
        for (uint32_t i = 0; i < e->n_steps; i++) {
            struct step *step = &e->steps[i];
            if (step->kind != STEP_LAUNCH || step->row != r)
                continue;
            if (step->reason[0] || !step->n_times) {
                reason = step->reason[0] ? step->reason : reason;
                continue;
            }
            qsort(step->times, step->n_times, sizeof *step->times, by_value);
            if (!best || median(step->times, step->n_times) < median(best->times, best->n_times))
                best = step;
        }
        print_row(e, &e->rows[r], best, reason);
    }
    fflush(options.out);
}
