/** A table of words: aligned for a terminal, or as Markdown. Columns after the first whose cells are numbers lie right. */
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function textTable(table: Table): string {
  return [table.title, ...aligned(table).map((cells) => `  ${cells.join('  ')}`.trimEnd())].join('\n')
}

export function markdownTable(table: Table): string {
  const [head, ...rows] = aligned(table).map((cells) => `| ${cells.join(' | ')} |`)
  const rule = table.columns.map((_, column) => (isNumeric(table, column) ? '---:' : '---'))
  return [`### ${table.title}`, '', head, `| ${rule.join(' | ')} |`, ...rows].join('\n')
}

function aligned(table: Table): string[][] {
  const lines = [table.columns, ...table.rows]
  const widths = table.columns.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)))
  const right = table.columns.map((_, column) => isNumeric(table, column))
  return lines.map((cells) =>
    widths.map((width, column) => {
      const cell = cells[column] ?? ''
      return right[column] ? cell.padStart(width) : cell.padEnd(width)
    }),
  )
}

function isNumeric(table: Table, column: number): boolean {
  return table.rows.length > 0 && table.rows.every((cells) => /^$|^–$|^[<>≤]?\s*-?[\d,.]+\s*(%|×|s|ms|MB|B)?$/.test(cells[column] ?? ''))
}

/** `12,345`; a dash for what is not known. */
export function count(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '–' : Math.round(value).toLocaleString('en-US')
}

/** With so many digits after the point. */
export function decimal(value: number | undefined, digits = 2): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits)
}

export function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? '–' : (bytes / 2 ** 20).toFixed(0)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
