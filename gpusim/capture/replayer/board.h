/* Clock and temperature of the GPU, as measure_board.py reads them. */
#ifndef GPUSIM_REPLAYER_BOARD_H
#define GPUSIM_REPLAYER_BOARD_H

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *board_root = "";

static int read_line(const char *path, char *line, size_t room) {
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t length = fread(line, 1, room - 1, file);
    fclose(file);
    line[length] = 0;
    line[strcspn(line, "\r\n")] = 0;
    return 1;
}

static int is_gpu(const char *name) {
    static const char *const words[] = {"gpu",  "mali", "gp10b",    "gv11b",  "ga10b",
                                        "gm20b", "g3d",  "panfrost", "bifrost"};
    char lower[256];
    size_t i = 0;
    for (; name[i] && i < sizeof lower - 1; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    lower[i] = 0;
    for (i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(lower, words[i]))
            return 1;
    return 0;
}

static int read_number(const char *path, double *value) {
    char line[256], *end;
    if (!read_line(path, line, sizeof line))
        return 0;
    char *start = line + strcspn(line, "-0123456789");
    *value = strtod(start, &end);
    return end != start;
}

static int clock_mhz(double *mhz) {
    static const struct {
        const char *path;
        double factor;
    } files[] = {{"/sys/class/kgsl/kgsl-3d0/gpuclk", 1e-6},
                 {"/sys/class/misc/mali0/device/clock", 1.0},
                 {"/sys/kernel/debug/bpmp/debug/clk/gpcclk/rate", 1e-6}};
    char path[512], name[256];
    int found = 0;
    glob_t folders;
    snprintf(path, sizeof path, "%s/sys/class/devfreq/*", board_root);
    if (glob(path, 0, NULL, &folders) == 0) {
        for (size_t i = 0; i < folders.gl_pathc && !found; i++) {
            const char *folder = folders.gl_pathv[i];
            snprintf(path, sizeof path, "%s/device/of_node/name", folder);
            if (!read_line(path, name, sizeof name))
                name[0] = 0;
            if (!is_gpu(strrchr(folder, '/') + 1) && !is_gpu(name))
                continue;
            snprintf(path, sizeof path, "%s/cur_freq", folder);
            found = read_number(path, mhz);
            *mhz *= found ? 1e-6 : 1;
        }
        globfree(&folders);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files && !found; i++) {
        snprintf(path, sizeof path, "%s%s", board_root, files[i].path);
        found = read_number(path, mhz);
        *mhz *= found ? files[i].factor : 1;
    }
    return found;
}

static int temperature_c(double *celsius) {
    char path[512], name[256];
    int found = 0;
    glob_t zones;
    snprintf(path, sizeof path, "%s/sys/class/thermal/thermal_zone*", board_root);
    if (glob(path, 0, NULL, &zones) != 0)
        return 0;
    for (size_t i = 0; i < zones.gl_pathc && found < 2; i++) {
        double value;
        snprintf(path, sizeof path, "%s/temp", zones.gl_pathv[i]);
        if (!read_number(path, &value))
            continue;
        snprintf(path, sizeof path, "%s/type", zones.gl_pathv[i]);
        int mine = read_line(path, name, sizeof name) && is_gpu(name);
        if (found && !mine)
            continue;
        /* Thousandths of a degree; a few old kernels give whole degrees. */
        *celsius = value >= 1000 || value <= -1000 ? value / 1000 : value;
        found = mine ? 2 : 1;
    }
    globfree(&zones);
    return found > 0;
}

/* Print what can be read as members of a JSON object. */
static void print_board(FILE *out) {
    double value;
    char line[64], path[512];
    if (clock_mhz(&value))
        fprintf(out, ", \"\"clock_mhz\"\": %.3f", value);
    if (temperature_c(&value))
        fprintf(out, ", \"\"temperature_c\"\": %.1f", value);
    snprintf(path, sizeof path, "%s/var/lib/nvpmodel/status", board_root);
    if (read_line(path, line, 41)) {
        for (char *c = line; *c; c++)
            if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
                *c = '?';
        fprintf(out, ", \"\"power_mode\"\": \"\"%s\"\"", line);
    }
}

#endif
