/** RENAME and MOVE of values that are in the cold store: nothing is read, and nothing but the two keys is logged. */
import { describe, expect, it } from 'vitest'
import { Scene } from './scene.ts'

const config = { 'tier-min-value-size': 0, 'tier-promote': 'never', 'hash-max-listpack-entries': 4 }
const sizes = { treeLeafBytes: 200 }
const value = 'v'.repeat(5000)
const fields = Array.from({ length: 60 }, (_, i) => [`f${i}`, `value of f${i}`]).flat()

/** A string, a small hash and a large hash, all cold. */
async function coldScene() {
  const scene = new Scene(1, { config, sizes })
  await scene.start()
  const client = await scene.client()
  await client.ask('SET', 'string', value)
  await client.ask('PEXPIRE', 'string', '90000')
  await client.ask('HSET', 'small', 'f', value.slice(0, 60))
  await client.ask('HSET', 'large', ...fields)
  await scene.checkpoint()
  const { tier } = scene.server.primary
  while (tier.demoteOne() > 0);
  expect(scene.server.primary.keyspace.coldCount).toBe(2)
  return { scene, client }
}

describe('a cold value', () => {
  it('gets another key without being read, also when the log is replayed, and is the same under it', async () => {
    const { scene, client } = await coldScene()
    const { log } = scene.server.primary
    const { writtenBytes } = log.stats()
    await client.ask('RENAME', 'string', 's2')
    await client.ask('RENAMENX', 'small', 'string')
    await client.ask('MOVE', 'large', '1')
    await client.ask('RENAME', 's2', 'small')
    expect(log.stats().writtenBytes - writtenBytes).toBeLessThan(4 * 1024)
    expect(scene.server.primary.tier.counts.coldReads).toBe(0)
    await scene.crashAndStart()
    expect(scene.server.primary.tier.counts.coldReads).toBe(0)
    const again = await scene.client()
    await again.ask('GET', 'small')
    await again.ask('PTTL', 'small')
    await again.ask('HGETALL', 'string')
    expect(scene.server.primary.tier.counts.coldReads).toBe(2)
    await again.ask('SELECT', '1')
    await again.ask('HGETALL', 'large')
    await scene.checkpoint()
    await scene.checkpoint()
    await scene.crashAndStart()
    const last = await scene.client()
    await last.ask('GET', 'small')
    await last.ask('HGETALL', 'string')
    await last.ask('SELECT', '1')
    await last.ask('HGETALL', 'large')
  })

  it('is fetched for a transaction that goes on with it under its new key', async () => {
    const { scene, client } = await coldScene()
    for (const requests of [
      [
        ['RENAME', 'string', 's2'],
        ['APPEND', 's2', 'more'],
        ['RENAME', 's2', 's3'],
        ['GET', 's3'],
      ],
      [
        ['RENAME', 'large', 'l2'],
        ['HSET', 'l2', 'f3', 'changed'],
        ['HGET', 'l2', 'f55'],
        ['MOVE', 'l2', '1'],
      ],
      [
        ['RENAME', 'small', 'string'],
        ['TYPE', 'string'],
      ],
    ]) {
      await client.ask('MULTI')
      for (const request of requests) await client.ask(...request)
      await client.ask('EXEC')
    }
    await scene.crashAndStart()
    const again = await scene.client()
    await again.ask('GET', 's3')
    await again.ask('HGETALL', 'string')
    await again.ask('SELECT', '1')
    await again.ask('HGETALL', 'l2')
  })
})
