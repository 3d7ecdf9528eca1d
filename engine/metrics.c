/*
 * metrics.c - the histograms of levin.h.  Concurrency: metrics.h.
 */
#include "metrics.h"

#include "db.h"

void metrics_summary(levin_histogram_id id, const distribution_copy *copy, levin_histogram *out)
{
    static const struct {
        const char *name, *unit, *text;
        uint32_t sample_every;
    } known[] = {
#define METRICS_KNOWN(name, unit, sample_every, text) { #name, unit, text, sample_every },
        LEVIN_HISTOGRAMS(METRICS_KNOWN)
#undef METRICS_KNOWN
    };
    *out = (levin_histogram){
        .name = known[id].name,
        .unit = known[id].unit,
        .text = known[id].text,
        .sample_every = known[id].sample_every,
        .count = copy->count,
        .sum = copy->sum,
        .max = copy->max,
        .p50 = distribution_quantile(copy, 0.5),
        .p99 = distribution_quantile(copy, 0.99),
        .p999 = distribution_quantile(copy, 0.999),
    };
}

levin_code levin_histogram_get(levin *store, levin_histogram_id id, levin_histogram *histogram)
{
    distribution_copy copy;
    if ((unsigned)id >= LEVIN_HISTOGRAM_COUNT)
        return db_refuse(store, LEVIN_INVALID, "there is no histogram %d", (int)id);
    distribution_read(&store->metrics.of[id], &copy);
    metrics_summary(id, &copy, histogram);
    return LEVIN_OK;
}

levin_code levin_histogram_buckets(levin *store, levin_histogram_id id, levin_histogram_bucket visit, void *context)
{
    if ((unsigned)id >= LEVIN_HISTOGRAM_COUNT)
        return db_refuse(store, LEVIN_INVALID, "there is no histogram %d", (int)id);
    for (unsigned i = 0; i < DISTRIBUTION_BUCKETS; i++) {
        uint64_t first, last;
        /* relaxed: a count that pairs with nothing */
        uint64_t count = atomic_load_explicit(&store->metrics.of[id].bucket[i], memory_order_relaxed);
        distribution_edges(i, &first, &last);
        if (count && !visit(context, first, last, count))
            return LEVIN_INTERRUPTED;
    }
    return LEVIN_OK;
}
