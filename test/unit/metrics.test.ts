/** Metrics over real HTTP: what owners register is what a scraper reads. */
import { afterEach, describe, expect, it } from 'vitest'
import { registerCommandMetrics } from '../../server/metrics/command-metrics.ts'
import type { Endpoint } from '../../server/metrics/endpoint.ts'
import { startMetricsEndpoint } from '../../server/metrics/endpoint.ts'
import { metricTable } from '../../server/metrics/metric-table.ts'
import { Metrics } from '../../server/metrics/metrics.ts'
import { registerProcessMetrics, watchEventLoopDelay } from '../../server/metrics/process-metrics.ts'

let endpoint: Endpoint | undefined
afterEach(async () => {
  await endpoint?.close()
  endpoint = undefined
})

async function serve(metrics: Metrics, trouble: () => string | undefined = () => undefined): Promise<string> {
  endpoint = await startMetricsEndpoint({ port: 0, bind: '127.0.0.1', metrics, trouble })
  return `http://127.0.0.1:${endpoint.port}`
}

async function lines(url: string): Promise<string[]> {
  const response = await fetch(`${url}/metrics`)
  expect(response.headers.get('content-type')).toContain('version=0.0.4')
  return (await response.text()).split('\n').filter((line) => !line.startsWith('#'))
}

describe('the table', () => {
  it('names units, and counters by _total', () => {
    for (const [name, row] of Object.entries(metricTable)) {
      expect(name).toMatch(/^moraine_[a-z0-9_]+$/)
      expect([name, name.endsWith('_total')]).toEqual([name, row.kind === 'counter'])
    }
  })
})

describe('the endpoint', () => {
  it('reads figures at each request, and only those registered', async () => {
    const metrics = new Metrics()
    let connected = 3
    metrics.read({ moraine_connected_clients: () => connected, moraine_tier_reads_total: () => 10 })
    const url = await serve(metrics)
    expect(await lines(url)).toEqual(expect.arrayContaining(['moraine_connected_clients 3', 'moraine_tier_reads_total 10']))
    connected = 4
    const again = await lines(url)
    expect(again).toEqual(expect.arrayContaining(['moraine_connected_clients 4', 'moraine_tier_reads_total 10']))
    expect(again.join()).not.toContain('moraine_log')
  })

  it('drops rows that are gone', async () => {
    const metrics = new Metrics()
    let databases = [0, 5]
    metrics.readRows('moraine_keys', (emit) => {
      for (const database of databases) emit([String(database)], database + 1)
    })
    const url = await serve(metrics)
    expect(await lines(url)).toEqual(expect.arrayContaining(['moraine_keys{database="0"} 1', 'moraine_keys{database="5"} 6']))
    databases = [0]
    expect((await lines(url)).join()).not.toContain('database="5"')
  })

  it('shows commands and histograms', async () => {
    const metrics = new Metrics()
    registerCommandMetrics(metrics, () => [{ name: 'config|set', calls: 2, microseconds: 500_000, rejectedCalls: 1, failedCalls: 0 }])
    const committed = metrics.histogram('moraine_log_commit_seconds')
    committed(0.0003)
    committed(0.3)
    expect(await lines(await serve(metrics))).toEqual(
      expect.arrayContaining([
        'moraine_command_calls_total{command="config|set"} 2',
        'moraine_command_seconds_total{command="config|set"} 0.5',
        'moraine_command_rejected_calls_total{command="config|set"} 1',
        'moraine_log_commit_seconds_bucket{le="0.0002"} 0',
        'moraine_log_commit_seconds_bucket{le="0.0005"} 1',
        'moraine_log_commit_seconds_count 2',
      ]),
    )
  })

  it('tells whether the server is well, and knows no other page', async () => {
    let trouble: string | undefined
    const url = await serve(new Metrics(), () => trouble)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    trouble = 'loading'
    const response = await fetch(`${url}/healthz`)
    expect([response.status, await response.text()]).toEqual([503, 'loading\n'])
    expect((await fetch(`${url}/other`)).status).toBe(404)
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405)
  })

  it('says when its port is taken', async () => {
    await serve(new Metrics())
    const port = endpoint?.port ?? 0
    await expect(startMetricsEndpoint({ port, bind: '127.0.0.1', metrics: new Metrics(), trouble: () => undefined })).rejects.toThrow(
      'EADDRINUSE',
    )
  })
})

describe('the event loop’s delay', () => {
  it('notices when something holds the loop, once', async () => {
    const delay = watchEventLoopDelay()
    try {
      const turn = () => new Promise((resolve) => setTimeout(resolve, 15))
      await turn()
      delay.take()
      // The native timer notes nothing before it has fired once, and fires in one of the next turns.
      while (delay.maxSeconds() < 0.3) {
        const until = performance.now() + 400
        while (performance.now() < until) Math.sqrt(until)
        for (let turns = 0; turns < 4 && delay.maxSeconds() < 0.3; turns++) await turn()
      }
      const metrics = new Metrics()
      registerProcessMetrics(metrics, delay)
      const url = await serve(metrics)
      const max = (rows: string[]) =>
        Number(rows.find((row) => row.startsWith('moraine_event_loop_delay_seconds{quantile="1"}'))?.split(' ')[1])
      const worst = (rows: string[]) => Number(rows.find((row) => row.startsWith('moraine_event_loop_delay_max_seconds'))?.split(' ')[1])
      const first = await lines(url)
      expect(max(first)).toBeGreaterThan(0.3)
      expect(worst(first)).toBeGreaterThan(0.3)
      // Each page starts a new window; the machine itself may hold the loop in one of them.
      let second = await lines(url)
      while (max(second) >= max(first)) second = await lines(url)
      expect(worst(second)).toBeGreaterThanOrEqual(max(first))
    } finally {
      delay.stop()
    }
  })
})
