/** How a run that failed is told to a reader: how to have the same again, and what the shortest one did that fails as well. */
const shrinkMsUnlessTold = 60_000
const linesMax = 300

export interface FailedRun {
  readonly told: readonly string[]
  readonly failure: Error | undefined
}

/** `options` are those of the simulation for this run; `length` says what is left of it. */
export function describeRun(options: string, length: string, { told, failure }: FailedRun): string {
  const lines = told.length > linesMax ? ['…', ...told.slice(-linesMax)] : told
  return [
    `the same again: npm run simulate -- ${options} --runs 1`,
    `The shortest run found that fails has ${length}:`,
    ...lines.map((line) => `  ${line}`),
    `${failure?.message}`,
  ].join('\n')
}

/** Says for a minute whether to go on looking for a shorter one. */
export function withinTime(ms = shrinkMsUnlessTold): () => boolean {
  const untilMs = performance.now() + ms
  return () => performance.now() < untilMs
}
