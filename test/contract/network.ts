/** What every network must do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ListeningPort, Network, Pipe, PipeOwner } from '../../server/network/network.ts'

export interface NetworkUnderTest {
  readonly network: Network
  /** An address to listen on. */
  readonly host: string
  /** A path for a Unix socket. */
  readonly path: string
  stop(): Promise<void>
}

/** An owner that notes what it hears. */
class Ear implements PipeOwner {
  readonly pipe: Pipe
  readonly heard: Buffer[] = []
  bytes = 0
  drains = 0
  ends = 0
  closes: (string | undefined)[] = []
  #woken: (() => void)[] = []

  constructor(pipe: Pipe) {
    this.pipe = pipe
    pipe.start(this)
  }

  onData(bytes: Buffer, start: number, end: number): void {
    expect(this.closes).toEqual([])
    this.heard.push(Buffer.from(bytes.subarray(start, end)))
    this.bytes += end - start
    this.#wake()
  }

  onDrain(): void {
    this.drains++
    this.#wake()
  }

  onEnd(): void {
    this.ends++
    this.#wake()
  }

  onClose(failure: string | undefined): void {
    this.closes.push(failure)
    this.#wake()
  }

  /** Resolves when `condition` holds; it is looked at whenever something was heard. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#woken.push(resolve))
  }

  #wake(): void {
    for (const wake of this.#woken.splice(0)) wake()
  }
}

export function networkSuite(name: string, make: () => Promise<NetworkUnderTest>): void {
  describe(`network: ${name}`, () => {
    let under: NetworkUnderTest
    let port: ListeningPort
    let accepted: Pipe[]
    let onAccept: () => void
    const ears: Ear[] = []

    beforeEach(async () => {
      under = await make()
      accepted = []
      onAccept = () => undefined
      port = await under.network.listen({ host: under.host, port: 0, backlog: 16 }, (pipe) => {
        accepted.push(pipe)
        onAccept()
      })
    })

    afterEach(async () => {
      for (const ear of ears.splice(0)) ear.pipe.destroy()
      await port.close()
      await under.stop()
    })

    function listen(pipe: Pipe): Ear {
      const ear = new Ear(pipe)
      ears.push(ear)
      return ear
    }

    async function nextAccepted(): Promise<Pipe> {
      if (accepted.length === 0) {
        await new Promise<void>((resolve) => {
          onAccept = resolve
        })
      }
      return accepted.shift()!
    }

    /** Both ends of a new pipe: the one that connected first. */
    async function pair(): Promise<[Ear, Ear]> {
      const near = await under.network.connect({ host: under.host, port: port.port })
      const far = await nextAccepted()
      return [listen(near), listen(far)]
    }

    function pattern(length: number): Buffer {
      const bytes = Buffer.alloc(length)
      for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff
      return bytes
    }

    it('carries bytes both ways, in order', async () => {
      const [near, far] = await pair()
      near.pipe.write([Buffer.from('he'), Buffer.from('llo'), Buffer.alloc(0), Buffer.from('!')])
      await far.until(() => far.bytes === 6)
      far.pipe.write([Buffer.from('good')])
      far.pipe.write([Buffer.from('bye')])
      await near.until(() => near.bytes === 7)
      expect(Buffer.concat(far.heard).toString()).toBe('hello!')
      expect(Buffer.concat(near.heard).toString()).toBe('goodbye')
    })

    it('knows both addresses', async () => {
      const [near, far] = await pair()
      expect(near.pipe.remoteAddress).toBe(port.address)
      expect(far.pipe.localAddress).toBe(port.address)
      expect(far.pipe.remoteAddress).toBe(near.pipe.localAddress)
      expect(near.pipe.localAddress).toMatch(new RegExp(`^${under.host}:\\d+$`))
    })

    it('has taken what it says it has taken: the memory may be used again', async () => {
      const [near, far] = await pair()
      const memory = Buffer.alloc(100)
      for (let i = 0; i < 50; i++) {
        memory.fill(i)
        if (!near.pipe.write([memory.subarray(0, 40), memory.subarray(40)])) await near.until(() => near.pipe.pendingBytes === 0)
      }
      await far.until(() => far.bytes === 5000)
      expect([...Buffer.concat(far.heard)]).toEqual(Array.from({ length: 5000 }, (_, i) => Math.floor(i / 100)))
    })

    it('makes a fast writer wait for a slow reader, and loses nothing', async () => {
      const [near, far] = await pair()
      const sent = pattern(12_000_000)
      far.pipe.pause()
      expect(near.pipe.write([sent.subarray(0, 5_000_000), sent.subarray(5_000_000)])).toBe(false)
      expect(near.pipe.pendingBytes).toBeGreaterThan(0)
      expect(near.drains).toBe(0)
      far.pipe.resume()
      await near.until(() => near.drains === 1)
      expect(near.pipe.pendingBytes).toBe(0)
      await far.until(() => far.bytes === sent.length)
      expect(Buffer.concat(far.heard).equals(sent)).toBe(true)
    })

    it('delivers nothing while paused', async () => {
      const [near, far] = await pair()
      far.pipe.pause()
      near.pipe.write([Buffer.from('early')])
      const [other, otherFar] = await pair()
      other.pipe.write([Buffer.from('later')])
      await otherFar.until(() => otherFar.bytes === 5)
      expect(far.bytes).toBe(0)
      far.pipe.resume()
      await far.until(() => far.bytes === 5)
    })

    it('ends after everything written has been sent', async () => {
      const [near, far] = await pair()
      const sent = pattern(3_000_000)
      near.pipe.write([sent])
      near.pipe.end()
      await far.until(() => far.ends === 1)
      expect(Buffer.concat(far.heard).equals(sent)).toBe(true)
      far.pipe.end()
      await far.until(() => far.closes.length === 1)
      await near.until(() => near.closes.length === 1)
      expect([near.closes, far.closes, far.ends]).toEqual([[undefined], [undefined], 1])
    })

    it('closes at once when destroyed, and says so once', async () => {
      const [near, far] = await pair()
      near.pipe.destroy()
      near.pipe.destroy()
      await near.until(() => near.closes.length > 0)
      await far.until(() => far.ends + far.closes.length > 0)
      far.pipe.destroy()
      await far.until(() => far.closes.length > 0)
      expect(near.pipe.write([Buffer.from('into the void')])).toBe(true)
      expect([near.closes.length, far.closes.length]).toEqual([1, 1])
    })

    it('reports what it cannot do with the system error', async () => {
      await expect(under.network.listen({ host: under.host, port: port.port }, () => undefined)).rejects.toMatchObject({
        code: 'EADDRINUSE',
      })
      const [near] = await pair()
      await port.close()
      await expect(under.network.connect({ host: under.host, port: port.port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      expect(near.closes).toEqual([])
    })

    it('listens on a path', async () => {
      let far: Ear | undefined
      const socket = await under.network.listen({ path: under.path }, (pipe) => {
        far = listen(pipe)
        far.pipe.write([Buffer.from('hello')])
      })
      expect([socket.address, socket.port]).toEqual([under.path, 0])
      const near = listen(await under.network.connect({ path: under.path }))
      await near.until(() => near.bytes === 5)
      expect(far?.pipe.remoteAddress).toBe(`${under.path}:0`)
      await socket.close()
    })
  })
}
