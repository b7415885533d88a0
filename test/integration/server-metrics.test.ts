/** The metrics endpoint of a running server: every metric of the table is there, with what the server did. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { metricTable } from '../../server/metrics/metric-table.ts'
import { encodeRequest, formatInline, splitArguments } from '../commands/notation.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine, withFreePort } from './processes.ts'

describeWith([builtMoraine], 'metrics of a server', () => {
  let server: ServerProcess
  let client: SocketTarget
  let url: string
  beforeAll(async () => {
    server = await withFreePort((port) => {
      url = `http://127.0.0.1:${port}`
      return startMoraine('--metrics-port', String(port))
    })
    client = new SocketTarget('moraine', server.port)
  })
  afterAll(async () => {
    await client?.close()
    await server?.stop()
  })

  async function run(line: string): Promise<string> {
    await client.send('a', encodeRequest(splitArguments(line)))
    const received = await client.receive('a')
    return received === 'closed' ? received : formatInline(received.reply)
  }

  /** By name and labels. */
  async function figures(): Promise<Map<string, number>> {
    const text = await (await fetch(`${url}/metrics`)).text()
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]))
  }

  it('has a figure for every metric', async () => {
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok\n')
    await run('SET k v EX 1000')
    await run('GET k')
    await run('GET none')
    await run('HGET k f')
    await run('GET')
    await run('SAVE')
    const found = await figures()
    const names = [...found.keys()].map((name) => name.replace(/\{.*|_(count|sum)$/g, '').replace(/_bucket$/, ''))
    expect(new Set(names)).toEqual(new Set(Object.keys(metricTable)))
    expect(Object.fromEntries(found)).toMatchObject({
      'moraine_command_calls_total{command="get"}': 2,
      'moraine_command_rejected_calls_total{command="get"}': 1,
      'moraine_command_failed_calls_total{command="hget"}': 1,
      'moraine_keys{database="0"}': 1,
      'moraine_expiring_keys{database="0"}': 1,
      moraine_keyspace_hits_total: 2,
      moraine_keyspace_misses_total: 1,
      moraine_connected_clients: 1,
      moraine_log_appended_lsn: 1,
      moraine_log_committed_lsn: 1,
      moraine_log_records_total: 1,
      moraine_log_commit_seconds_count: 1,
      moraine_log_failed: 0,
      moraine_checkpoint_lsn: 1,
      moraine_checkpoints_total: 1,
      moraine_checkpoint_seconds_count: 1,
      moraine_checkpoint_failures_total: 0,
      'moraine_tier_values{state="hot"}': 0,
      'moraine_tier_values{state="cool"}': 1,
      'moraine_tier_values{state="cold"}': 0,
    })
    expect(found.get('moraine_memory_bytes{part="keyspace"}')).toBeGreaterThan(0)
  })
})
