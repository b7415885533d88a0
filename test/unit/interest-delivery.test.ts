/** When the primary tells parties that wait for a key: after the record is complete, whoever made it. */
import { describe, expect, it } from 'vitest'
import type { InterestedParty } from '../../engine/keyspace/interested-party.ts'
import { keyExpired, valueMovedHere, valuePut } from '../../engine/keyspace/key-change.ts'
import { Scene } from '../simulation/scene.ts'

async function begin(...keys: readonly string[]) {
  const scene = new Scene(1)
  await scene.startUnobserved()
  const client = await scene.plainClient()
  const { primary } = scene.server
  const { interest } = primary.mutator
  /** What was heard, and how many records there were then. */
  const heard: (readonly [string, number, number])[] = []
  let work: (key: string) => void = () => undefined
  const party: InterestedParty = {
    waits: true,
    keyTouched: ({ key }, change) => {
      heard.push([key.toString(), change, primary.log.appended])
      work(key.toString())
    },
  }
  for (const key of keys) interest.register(0, Buffer.from(key), party)
  const onTouched = (next: typeof work): void => {
    work = next
  }
  return { scene, client, primary, heard, onTouched }
}

describe('a party that waits for a key', () => {
  it('hears once the record of the request is complete', async () => {
    const { client, primary, heard } = await begin('k', 'l')
    const { appended } = primary.log
    await client.ask('SET', 'k', 'v')
    await client.ask('RENAME', 'k', 'l')
    await client.ask('SET', 'other', 'v')
    expect(heard.map(([key]) => key)).toEqual(['k', 'k', 'l'])
    expect([heard[0], heard[2]]).toEqual([
      ['k', valuePut, appended + 1],
      ['l', valueMovedHere, appended + 2],
    ])
  })

  it('hears nothing of a transaction before its end', async () => {
    const { client, primary, heard } = await begin('k')
    const { appended } = primary.log
    await client.ask('MULTI')
    await client.ask('SET', 'k', 'v')
    await client.ask('SET', 'other', 'v')
    expect(await client.ask('EXEC')).toBe('*2\r\n+OK\r\n+OK\r\n')
    expect(heard).toEqual([['k', valuePut, appended + 1]])
  })

  it('may make records of its own, which others hear of', async () => {
    const { client, primary, heard, onTouched } = await begin('k', 'l')
    const { appended } = primary.log
    onTouched((key) => {
      if (key === 'k') primary.change((x) => x.mutator.putString(0, Buffer.from('l'), 0, 1, Buffer.from('w'), 0, 1, 0))
    })
    expect(await client.ask('SET', 'k', 'v')).toBe('+OK\r\n')
    expect(heard).toEqual([
      ['k', valuePut, appended + 1],
      ['l', valuePut, appended + 2],
    ])
    expect(await client.ask('GET', 'l')).toBe('$1\r\nw\r\n')
  })

  it('hears of keys that expire, whether somebody asks for them or not', async () => {
    const { scene, client, heard } = await begin('met', 'passed')
    await client.ask('SET', 'met', 'v', 'PX', '5')
    await client.ask('SET', 'passed', 'v', 'PX', '5')
    scene.server.maintenance.activeExpiry = false
    await scene.pass(10)
    expect(await client.ask('GET', 'met')).toBe('$-1\r\n')
    expect(heard.slice(2).map(([key, change]) => [key, change])).toEqual([['met', keyExpired]])
    scene.server.maintenance.activeExpiry = true
    await scene.pass(500)
    expect(heard.slice(3).map(([key, change]) => [key, change])).toEqual([['passed', keyExpired]])
  })
})
