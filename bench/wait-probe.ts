/** How long a bystander waits for PONG: a process of its own (stall-probe.ts), so that the client's work does not count. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const probeFile = fileURLToPath(new URL('stall-probe.ts', import.meta.url))

export interface WaitProbe {
  /** The longest wait since the last call. */
  worstMs(): Promise<number>
  stop(): void
}

export function startWaitProbe(port: number): WaitProbe {
  const probe = fork(probeFile, [`${port}`])
  return {
    async worstMs() {
      probe.send('worst')
      const [worstMs] = (await once(probe, 'message')) as [number]
      return worstMs
    },
    stop: () => void probe.kill(),
  }
}
