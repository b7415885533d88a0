/** Requests by rank on lists whose leaves are cold, several in one transaction: each finds the leaves as the ones before have left them. */
import { describe, expect, it } from 'vitest'
import { Scene } from './scene.ts'

const elements = Array.from({ length: 60 }, (_, i) => `<${i}>..........`)
const cold = { 'tier-min-value-size': 0n, maxmemory: 1n << 30n } as const

describe('a transaction of pops from a cold list', () => {
  it('goes on into leaves that its first pop did not need, and so does its replay', async () => {
    const scene = new Scene(1, { config: cold, sizes: { treeLeafBytes: 64, batchEntries: 1 } })
    await scene.startUnobserved()
    const client = await scene.plainClient()
    await client.ask('RPUSH', 'l', ...elements)
    await scene.checkpoint()
    const { tier } = scene.server.shard!
    while (tier.demoteOne() >= 0) await scene.pass(1)
    expect(await client.ask('OBJECT', 'TIER', 'l')).toBe('$4\r\ncold\r\n')
    for (const request of [['MULTI'], ...Array.from({ length: 20 }, () => ['RPOP', 'l']), ['LPOP', 'l', '10']]) await client.ask(...request)
    const popped = await client.ask('EXEC')
    for (const each of [...elements.slice(40), ...elements.slice(0, 10)]) expect(popped).toContain(`${each}\r\n`)
    expect(tier.counts.readsAtOnce).toBeGreaterThan(0)
    scene.machine.crash()
    await scene.startUnobserved()
    const again = await scene.plainClient()
    expect(await again.ask('LLEN', 'l')).toBe(':30\r\n')
    const left = await again.ask('LRANGE', 'l', '0', '-1')
    for (const each of elements.slice(10, 40)) expect(left).toContain(`${each}\r\n`)
  })
})
