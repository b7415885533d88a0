/**
 * Charts as SVG text: grouped bars and lines. Colours follow the reader's light or dark scheme, every bar bears its
 * number, so a chart can be read without colour and without the table beside it.
 */
export interface Limit {
  readonly at: number
  readonly label: string
}

export interface BarChart {
  readonly title: string
  readonly unit: string
  readonly groups: readonly string[]
  /** One value to each group; undefined where there is none. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[]
  readonly limit?: Limit
}

export interface LineChart {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[]
  readonly limits?: readonly Limit[]
}

const width = 860
const height = 380
const plot = { left: 76, right: 20, top: 72, bottom: 62 }
const plotWidth = width - plot.left - plot.right
const plotHeight = height - plot.top - plot.bottom
const pointsMax = 400

const style = `
  text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-size: 15px; font-weight: 600 } .small { font-size: 10px }
  .grid { stroke: #d0d7de; stroke-width: 1 } .limit { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 4 } .limit-text { fill: #cf222e }
  .s0 { fill: #0969da } .s1 { fill: #bf8700 } .s2 { fill: #1a7f37 } .s3 { fill: #8250df }
  .l0, .l1, .l2, .l3 { fill: none; stroke-width: 1.8 } .l0 { stroke: #0969da } .l1 { stroke: #bf8700 } .l2 { stroke: #1a7f37 } .l3 { stroke: #8250df }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .grid { stroke: #30363d } .limit { stroke: #ff7b72 } .limit-text { fill: #ff7b72 }
    .s0 { fill: #58a6ff } .s1 { fill: #e3b341 } .s2 { fill: #56d364 } .s3 { fill: #bc8cff }
    .l0 { stroke: #58a6ff } .l1 { stroke: #e3b341 } .l2 { stroke: #56d364 } .l3 { stroke: #bc8cff }
  }`

export function barChart(chart: BarChart): string {
  const known = chart.series.flatMap((series) => series.values.filter((value) => value !== undefined))
  const { steps, y } = verticalScale(Math.max(...known, chart.limit?.at ?? 0))
  const groupWidth = plotWidth / chart.groups.length
  const barWidth = Math.min(44, (groupWidth * 0.8) / chart.series.length)
  const bars = chart.groups.flatMap((group, g) => {
    const middle = plot.left + groupWidth * (g + 0.5)
    const from = middle - (barWidth * chart.series.length) / 2
    const label = `<text x="${fixed(middle)}" y="${height - plot.bottom + 18}" text-anchor="middle">${escaped(group)}</text>`
    const drawn = chart.series.map(({ name, values }, s) => {
      const value = values[g]
      if (value === undefined) return ''
      const x = from + barWidth * s
      const shape = `x="${fixed(x + 1)}" y="${fixed(y(value))}" width="${fixed(barWidth - 2)}" height="${fixed(y(0) - y(value))}"`
      const number = `<text class="small" x="${fixed(x + barWidth / 2)}" y="${fixed(y(value) - 4)}" text-anchor="middle">${short(value)}</text>`
      return `<rect class="s${s % 4}" ${shape}><title>${escaped(`${group}, ${name}: ${value}`)}</title></rect>${number}`
    })
    return [label, ...drawn]
  })
  const limits = chart.limit === undefined ? [] : [limitLine(chart.limit, y)]
  return page(
    chart.title,
    chart.unit,
    chart.series.map(({ name }) => name),
    [...grid(steps, y), ...bars, ...limits],
  )
}

export function lineChart(chart: LineChart): string {
  const points = chart.series.flatMap((series) => series.points)
  const limits = chart.limits ?? []
  const xMax = Math.max(...points.map(([x]) => x), 1e-9)
  const { steps, y } = verticalScale(Math.max(...points.map(([, value]) => value), ...limits.map(({ at }) => at)))
  const x = (value: number) => plot.left + (value / xMax) * plotWidth
  const lines = chart.series.map((series, s) => {
    const every = Math.max(1, Math.ceil(series.points.length / pointsMax))
    const kept = series.points.filter((_, i) => i % every === 0)
    return `<polyline class="l${s % 4}" points="${kept.map(([at, value]) => `${fixed(x(at))},${fixed(y(value))}`).join(' ')}"/>`
  })
  const ticks = niceSteps(xMax).filter((step) => step <= xMax)
  const below = ticks.map(
    (step) => `<text x="${fixed(x(step))}" y="${height - plot.bottom + 18}" text-anchor="middle">${short(step)}</text>`,
  )
  const xLabel = `<text x="${width - plot.right}" y="${height - plot.bottom + 36}" text-anchor="end">${escaped(chart.xLabel)}</text>`
  const body = [...grid(steps, y), ...below, xLabel, ...lines, ...limits.map((limit) => limitLine(limit, y))]
  return page(
    chart.title,
    chart.yLabel,
    chart.series.map(({ name }) => name),
    body,
  )
}

function page(title: string, unit: string, names: readonly string[], body: readonly string[]): string {
  const legend = names.map((name, s) => {
    const x = plot.left + s * 190
    return `<rect class="s${s % 4}" x="${x}" y="38" width="12" height="12"/><text x="${x + 18}" y="48">${escaped(name)}</text>`
  })
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`
  const titles = `<title>${escaped(title)}</title><style>${style}\n</style><text class="title" x="${plot.left}" y="24">${escaped(title)}</text>`
  const unitText = `<text class="small" x="${plot.left - 6}" y="${plot.top - 8}" text-anchor="end">${escaped(unit)}</text>`
  return `${[head, titles, unitText, ...legend, ...body, '</svg>'].filter((line) => line !== '').join('\n')}\n`
}

function grid(steps: readonly number[], y: (value: number) => number): string[] {
  return steps.map((step) => {
    const at = fixed(y(step))
    const line = `<line class="grid" x1="${plot.left}" x2="${width - plot.right}" y1="${at}" y2="${at}"/>`
    return `${line}<text x="${plot.left - 6}" y="${fixed(y(step) + 4)}" text-anchor="end">${short(step)}</text>`
  })
}

function limitLine({ at, label }: Limit, y: (value: number) => number): string {
  const line = `<line class="limit" x1="${plot.left}" x2="${width - plot.right}" y1="${fixed(y(at))}" y2="${fixed(y(at))}"/>`
  return `${line}<text class="small limit-text" x="${width - plot.right}" y="${fixed(y(at) - 5)}" text-anchor="end">${escaped(label)}</text>`
}

function verticalScale(max: number): { readonly steps: readonly number[]; readonly y: (value: number) => number } {
  const steps = niceSteps(max > 0 ? max * 1.05 : 1)
  const top = steps.at(-1)!
  return { steps, y: (value) => plot.top + plotHeight * (1 - value / top) }
}

/** From 0 in four to eight round steps to at least `max`. */
function niceSteps(max: number): number[] {
  const rough = max / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 2.5, 5, 10].find((each) => each * power >= rough) ?? 10)
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, i) => i * step)
}

/** At most four signs or so: 1.2M, 840k, 12, 0.35. */
function short(value: number): string {
  if (value >= 1e6) return `${trimmed(value / 1e6)}M`
  if (value >= 1e4) return `${trimmed(value / 1e3)}k`
  return trimmed(value)
}

function trimmed(value: number): string {
  return `${Number(value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2))}`
}

function fixed(value: number): string {
  return value.toFixed(1)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
