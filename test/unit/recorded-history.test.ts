/** The judgement of what clients have recorded finds what is planted. */
import { describe, expect, it } from 'vitest'
import { RecordedHistory } from '../faults/recorded-history.ts'

const tenures = [
  { zone: 0, epoch: 1, sinceMs: 0 },
  { zone: 1, epoch: 2, sinceMs: 0 },
]
const none = new Map<string, readonly string[]>()

function answered(history: RecordedHistory, request: readonly string[], reply: string, zone = 0): void {
  history.begin([request]).answered([reply], zone)
}

describe('a recorded history', () => {
  it('is right when every answer can be explained', () => {
    const history = new RecordedHistory()
    history.begin([['SET', 'k', 'perhaps']])
    answered(history, ['SET', 'k', 'v'], '+OK\r\n')
    answered(history, ['GET', 'k'], '$1\r\nv\r\n')
    answered(history, ['GET', 'k'], '$7\r\nperhaps\r\n', 1)
    answered(history, ['RPUSH', 'list', 'a'], ':1\r\n', 1)
    expect(history.failureOf(new Map([['list', ['a']]]), tenures)).toBeUndefined()
    expect(history.unknown).toBe(1)
  })

  it('is wrong when something acknowledged is lost', () => {
    const history = new RecordedHistory()
    answered(history, ['SET', 'k', 'v'], '+OK\r\n')
    answered(history, ['GET', 'k'], '$-1\r\n')
    expect(history.failureOf(none, tenures)).toContain('k: no order')
    const lists = new RecordedHistory()
    answered(lists, ['RPUSH', 'list', 'a'], ':1\r\n')
    expect(lists.failureOf(none, tenures)).toContain('is not in the list')
  })

  it('is wrong when what was refused has happened', () => {
    const history = new RecordedHistory()
    history.begin([['SET', 'k', 'refused']]).refused()
    answered(history, ['GET', 'k'], '$7\r\nrefused\r\n')
    expect(history.failureOf(none, tenures)).toContain('k: no order')
  })

  it('is wrong when a former leader answers after a later one has', () => {
    const history = new RecordedHistory()
    answered(history, ['GET', 'k'], '$-1\r\n', 0)
    const begun = history.begin([['GET', 'k']])
    answered(history, ['GET', 'k'], '$-1\r\n', 1)
    // It had been asked before: its answer was on its way.
    begun.answered(['$-1\r\n'], 0)
    expect(history.failureOf(none, tenures)).toBeUndefined()
    answered(history, ['GET', 'k'], '$-1\r\n', 0)
    expect(history.failureOf(none, tenures)).toContain('node 0 of epoch 1 has answered what was asked after node 1 of epoch 2 had answered')
  })

  it('is wrong when a replica has shown what is not there in the end', () => {
    const history = new RecordedHistory()
    answered(history, ['RPUSH', 'list', 'a'], ':1\r\n')
    history.replicaShowed('list', ['a', 'b'], 1)
    expect(history.failureOf(new Map([['list', ['a']]]), tenures)).toContain('node 1 has shown b in list')
  })
})
