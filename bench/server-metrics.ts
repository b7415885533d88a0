/** Moraine's own figures, from its metrics endpoint; the names are those of docs/metrics.md. */
import type { MetricName } from '../server/metrics/metric-table.ts'
import type { RunningServer } from './processes.ts'

export interface Figures {
  /** Undefined when the server does not tell it. `label` is the value of the metric's label. */
  read(name: MetricName, label?: string): number | undefined
  /** A quantile of a histogram since `before`, in the metric's unit: the upper bound of the bucket it falls into. */
  quantile(name: MetricName, share: number, before: Figures): number | undefined
  /** Observations by upper bound, cumulative. */
  buckets(name: MetricName): ReadonlyMap<string, number>
}

/** Figures of now; all unknown when the endpoint does not answer. Quantiles of the event loop's delay begin anew with each call. */
export async function figuresOf(server: RunningServer): Promise<Figures> {
  const text = await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`, { signal: AbortSignal.timeout(10_000) }).then(
    (response) => response.text(),
    () => '',
  )
  return parse(text)
}

function parse(text: string): Figures {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    const found = /^(\w+)(?:\{[^"]*"([^"]*)"\})? (\S+)$/.exec(line)
    if (found !== null) values.set(`${found[1]} ${found[2] ?? ''}`, Number(found[3]))
  }
  const buckets = (name: string) => {
    const found = new Map<string, number>()
    for (const [key, value] of values) if (key.startsWith(`${name}_bucket `)) found.set(key.slice(name.length + 8), value)
    return found
  }
  return {
    read: (name, label = '') => values.get(`${name} ${label}`),
    buckets,
    quantile(name, share, before) {
      const earlier = before.buckets(name)
      const since = [...buckets(name)].map(
        ([bound, value]) => [Number(bound.replace('+Inf', 'Infinity')), value - (earlier.get(bound) ?? 0)] as const,
      )
      const total = since.at(-1)?.[1] ?? 0
      return total === 0 ? undefined : since.find(([, value]) => value >= total * share)?.[0]
    },
  }
}
