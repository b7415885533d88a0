/** A process that asks a server for PONG all the time, and tells its parent on demand how long it has waited at most since it was asked last. */
import { createConnection } from 'node:net'

const pauseMs = 0.2
const socket = createConnection(Number(process.argv[2]), '127.0.0.1')
let sentMs = 0
let worstMs = 0
let isAsked = false

function ping(): void {
  sentMs = performance.now()
  socket.write('PING\r\n')
}

socket.setNoDelay()
socket.once('connect', ping)
socket.on('data', () => {
  worstMs = Math.max(worstMs, performance.now() - sentMs)
  if (isAsked) process.send?.(worstMs)
  if (isAsked) worstMs = 0
  isAsked = false
  setTimeout(ping, pauseMs)
})
// The server ends before its probe at times.
socket.on('error', () => process.exit(0))
process.on('disconnect', () => process.exit(0))
// The wait that has begun counts, too.
process.on('message', () => {
  isAsked = true
})
