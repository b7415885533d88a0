/**
 * A process with many subscribers of one channel: arguments are port, how many, the channel, and bytes of a message as it comes. It says when all have
 * subscribed, and then, for each number of messages that its parent names, when every subscriber has received so many more.
 */
import { connect } from 'node:net'

const [port, subscribers, channel, messageBytes] = process.argv.slice(2) as [string, string, string, string]
const count = Number(subscribers)
const request = `*2\r\n$9\r\nSUBSCRIBE\r\n$${channel.length}\r\n${channel}\r\n`
const replyBytes = `*3\r\n$9\r\nsubscribe\r\n$${channel.length}\r\n${channel}\r\n:1\r\n`.length
const into = Buffer.allocUnsafe(64 * 1024)
let received = 0
let wanted = count * replyBytes

function came(bytes: number): void {
  received += bytes
  if (received < wanted) return
  if (received > wanted) throw new Error(`${received - wanted} bytes more than expected`)
  received = 0
  wanted = Number.POSITIVE_INFINITY
  process.send?.('all')
}

process.on('message', (messages: number) => {
  wanted = messages * count * Number(messageBytes)
  came(0)
})
process.on('disconnect', () => process.exit(0))

function subscribe(): void {
  const onread = {
    buffer: into,
    callback(bytes: number): boolean {
      came(bytes)
      return true
    },
  }
  const socket = connect({ port: Number(port), host: '127.0.0.1', onread })
  socket.once('connect', () => socket.write(request))
  // The server ends before its subscribers at times.
  socket.on('error', () => process.exit(0))
}

for (let i = 0; i < count; i++) subscribe()
