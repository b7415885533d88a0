/**
 * The registry of metrics. Who owns a figure registers once how to read it; reading happens when somebody asks for
 * the metrics. Only histograms are told of each event, because their parts cannot be read later.
 *
 * A metric appears when its owner has registered it: an absent part of the server (no tier, say) shows no zeros.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { HistogramName, LabelledName, MetricName, MetricRow, PlainName } from './metric-table.ts'
import { metricTable } from './metric-table.ts'

/** Reports one row of a labelled metric: the labels' values in the table's order, then the number. */
export type EmitRow = (labels: readonly string[], value: number) => void

export class Metrics {
  readonly #registry = new Registry()

  readonly contentType = this.#registry.contentType

  /** Registers metrics of one number each. */
  read(reads: { readonly [Name in PlainName]?: () => number }): void {
    for (const [name, read] of Object.entries(reads)) this.#add(name as PlainName, (emit) => emit([], read()))
  }

  /** Registers a metric with labels. `rows` emits its present rows; rows that are not emitted again disappear. */
  readRows(name: LabelledName, rows: (emit: EmitRow) => void): void {
    this.#add(name, rows)
  }

  /** Registers a histogram; the answer records one value, in the unit of the name. */
  histogram(name: HistogramName): (value: number) => void {
    const row: MetricRow = metricTable[name]
    const histogram = new Histogram({ name, help: row.help, buckets: [...(row.buckets ?? [])], registers: [this.#registry] })
    return (value) => histogram.observe(value)
  }

  /** All registered metrics in the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  #add(name: MetricName, rows: (emit: EmitRow) => void): void {
    const row: MetricRow = metricTable[name]
    const labelNames = row.labels ?? []
    const common = { name, help: row.help, labelNames, registers: [this.#registry] }
    const labelled = (values: readonly string[]) => Object.fromEntries(labelNames.map((label, at) => [label, values[at]]))
    if (row.kind === 'gauge') {
      const gauge: Gauge = new Gauge({
        ...common,
        collect: () => {
          gauge.reset()
          rows((values, value) => gauge.set(labelled(values), value))
        },
      })
    } else {
      const counter: Counter = new Counter({
        ...common,
        collect: () => {
          counter.reset()
          rows((values, value) => counter.inc(labelled(values), value))
        },
      })
    }
  }
}
