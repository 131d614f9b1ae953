/* SPDX-License-Identifier: MIT */
/* A picture of horizontal bars, as a script for gnuplot: see plot_script.h. Lengths are in pixels. */
#include "plot_script.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 900
#define BAR_HEIGHT 24
#define TOP 52       /* for the picture's title */
#define PANEL_TOP 26 /* for a panel's title */
#define PANEL_BOTTOM 52
#define NAMES 74 /* for the names at the left of a panel */
#define WIDE_NAMES 150
#define RIGHT 14
#define LOG_FROM 12      /* the ratio of most to least from which on an axis is logarithmic */
#define MANY_DECADES 3e4 /* from which ratio on every second power of ten has a tic */

/* The first three are for light; report_plots.c, which knows them, puts others in their places for dark. */
#define TEXT_COLOUR "#24292f"
#define GRID_COLOUR "#dee2e6"
#define SPREAD_COLOUR "#495057"
#define OURS_COLOUR 0xe8590c
#define PEER_COLOUR 0xadb5bd
#define FAINT_COLOUR 0xd5dade

struct axis {
    double base, end; /* of the range; bars begin at the base, or at 1 */
    double step;      /* between tics; their ratio, if logarithmic */
    bool log;
};

static void widen(struct axis *range, const struct panel *panel)
{
    for (size_t i = 0; i < panel->count; i++) {
        range->base = fmin(range->base, panel->bars[i].value);
        range->end = fmax(range->end, panel->bars[i].high);
    }
}

/* 1, 2 or 5 times a power of ten, so that there are about three of them. */
static double nice_step(double length)
{
    double power = pow(10, floor(log10(length / 3)));
    double first = length / 3 / power;
    return power * (first < 1.5 ? 1 : first < 3.5 ? 2 : first < 7.5 ? 5 : 10);
}

/* Of all panels that have the unit of this one. There is room for the numbers beside the bars. */
static struct axis axis_of(const struct picture *picture, const struct panel *panel)
{
    struct axis axis = { .base = INFINITY, .end = 0 };
    for (size_t i = 0; i < picture->count; i++) {
        if (strcmp(picture->panels[i].unit, panel->unit) == 0)
            widen(&axis, &picture->panels[i]);
    }
    axis.log = panel->ratio || (axis.base > 0 && axis.end / axis.base > LOG_FROM);
    if (panel->ratio) {
        axis.end = fmax(axis.end, 1);
        axis.base = fmin(axis.base, 1) / 1.5;
        axis.end *= pow(axis.end / axis.base, 0.3);
    } else if (axis.log) {
        axis.base = pow(10, floor(log10(axis.base / 1.5)));
        axis.step = axis.end / axis.base > MANY_DECADES ? 100 : 10;
        axis.end *= pow(axis.end / axis.base, 0.25);
    } else {
        axis.base = 0;
        axis.end = axis.end > 0 ? axis.end * 1.35 : 1;
        axis.step = nice_step(axis.end);
    }
    return axis;
}

static size_t most_bars(const struct picture *picture)
{
    size_t most = 0;
    for (size_t i = 0; i < picture->count; i++)
        most = picture->panels[i].count > most ? picture->panels[i].count : most;
    return most;
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

static void write_data(FILE *out, const struct panel *panel, size_t index, const struct axis *axis)
{
    fprintf(out, "$bars%zu << END\n", index);
    for (size_t i = 0; i < panel->count; i++) {
        const struct bar *bar = &panel->bars[i];
        int colour = bar->ours ? OURS_COLOUR : bar->faint ? FAINT_COLOUR : PEER_COLOUR;
        double start = panel->ratio ? 1 : axis->base;
        fprintf(out, "%zu %.9g %.9g %.9g %.9g %d \"%s%s%s\" \"%s%s%s\"\n", i, start, bar->value,
                fmax(bar->low, axis->base), bar->high, colour, bar->ours ? "{/:Bold " : "", bar->name,
                bar->ours ? "}" : "", bar->ours ? "{/:Bold " : "", bar->text, bar->ours ? "}" : "");
    }
    fputs("END\n", out);
}

static void write_panel(FILE *out, const struct picture *picture, size_t index, size_t height, size_t panel_height)
{
    const struct panel *panel = &picture->panels[index];
    struct axis axis = axis_of(picture, panel);
    double width = (double)WIDTH / (double)picture->columns;
    double left = width * (double)(index % picture->columns) + (panel->ratio ? WIDE_NAMES : NAMES);
    double right = width * (double)(index % picture->columns + 1) - RIGHT;
    size_t row = index / picture->columns;
    double top = TOP + (double)(row * panel_height) + PANEL_TOP;
    double bottom = top + (double)(BAR_HEIGHT * most_bars(picture));
    write_data(out, panel, index, &axis);
    fprintf(out, "set lmargin at screen %.5f\nset rmargin at screen %.5f\n", left / WIDTH, right / WIDTH);
    fprintf(out, "set tmargin at screen %.5f\nset bmargin at screen %.5f\n", 1 - top / (double)height,
            1 - bottom / (double)height);
    fprintf(out, "set title \"%s\" offset 0,-0.4 tc rgb '" TEXT_COLOUR "'\n", panel->title);
    fprintf(out, "set xlabel \"%s%s\" tc rgb '" TEXT_COLOUR "'\n", panel->unit, axis.log ? " (logarithmic)" : "");
    fprintf(out, "%sset logscale x\nset xrange [%.9g:%.9g]\n", axis.log ? "" : "un", axis.base, axis.end);
    if (panel->ratio)
        fputs("set xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)\n", out);
    else
        fprintf(out, "set xtics %.9g\n", axis.step);
    fprintf(out, "set yrange [%zu.5:-0.5]\n", most_bars(picture) - 1);
    fprintf(out,
            "plot $bars%zu using 3:1:2:3:($1-0.36):($1+0.36):6:ytic(7) with boxxyerror fs solid noborder "
            "lc rgb variable, \\\n  '' using 3:1:4:5 with xerrorbars pt 0 ps 0 lw 1.3 lc rgb '" SPREAD_COLOUR
            "', \\\n  '' using (%s):1:8 with labels left offset 0.7,0 tc rgb '" TEXT_COLOUR "'\n",
            index, panel->ratio ? "$3>1?$3:1" : "$5");
}

static void write_picture(FILE *out, const struct picture *picture, size_t height, size_t panel_height,
                          int title_size)
{
    fputs("set multiplot\nset key off\nset border 0\nset bars small\nset grid x lw 1 lt 1 lc rgb '" GRID_COLOUR
          "'\nset xtics nomirror scale 0 tc rgb '" TEXT_COLOUR
          "'\nset mxtics 1\nset ytics scale 0 tc rgb '" TEXT_COLOUR "'\nset format x '%g'\n",
          out);
    fprintf(out, "set label 1 \"{/:Bold %s}\" at screen %.5f,%.5f left font ',%d' tc rgb '" TEXT_COLOUR "'\n",
            picture->title, 14.0 / WIDTH, 1 - 24.0 / (double)height, title_size);
    for (size_t i = 0; i < picture->count; i++) {
        write_panel(out, picture, i, height, panel_height);
        fputs("unset label 1\n", out);
    }
    fputs("unset multiplot\nunset output\nreset\n", out);
}

int plot_script_write(const struct picture *picture, const char *script, const char *dir, const char *name)
{
    size_t panel_height = PANEL_TOP + BAR_HEIGHT * most_bars(picture) + PANEL_BOTTOM;
    size_t rows = (picture->count + picture->columns - 1) / picture->columns;
    size_t height = TOP + rows * panel_height;
    FILE *out = fopen(script, "we");
    if (!out)
        return -errno;
    fprintf(out, "set terminal svg size %d,%zu dynamic enhanced font 'DejaVu Sans,Verdana,sans-serif,12'\n", WIDTH,
            height);
    fprintf(out, "set output '%s/%s.svg'\n", dir, name);
    write_picture(out, picture, height, panel_height, 15);
    fprintf(out, "set terminal pngcairo size %d,%zu enhanced font 'DejaVu Sans,9' fontscale 2 linewidth 2\n",
            2 * WIDTH, 2 * height);
    fprintf(out, "set output '%s/%s.png'\n", dir, name);
    write_picture(out, picture, height, panel_height, 11);
    return fclose(out) == 0 ? 0 : -EIO;
}
