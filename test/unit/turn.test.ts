import { expect, it } from 'vitest'
import type { TurnMember } from '../../server/network/turn.ts'
import { Turn } from '../../server/network/turn.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

it('a turn has its own time although the one before has left it replies to send', async () => {
  const clock = new ManualClock()
  const turn = new Turn(clock)
  turn.begin()
  const slow = (): TurnMember => ({ dirty: false, held: false, heldLsn: 0, flush: () => clock.advance(1) })
  for (let i = 0; i < 65; i++) turn.mark(slow())
  const reached = await new Promise<number>((resolve) => {
    turn.afterwards(() => {
      turn.begin()
      resolve(turn.reachedMs)
    })
  })
  expect(reached).toBe(64)
})
