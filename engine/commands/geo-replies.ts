/** Distances and coordinates as Redis writes them. */
import type { ReplyWriter } from '../reply-writer.ts'
import type { Place } from '../types/geo-hash.ts'

const coordinateDecimals = 17

export function replyDistance(reply: ReplyWriter, distance: number): void {
  reply.text(distance.toFixed(4))
}

export function replyCoordinates(reply: ReplyWriter, { longitude, latitude }: Readonly<Place>): void {
  reply.array(2)
  replyCoordinate(reply, longitude)
  replyCoordinate(reply, latitude)
}

function replyCoordinate(reply: ReplyWriter, degrees: number): void {
  const text = degrees.toFixed(coordinateDecimals).replace(/\.?0+$/, '')
  reply.doubleText(text === '-0' ? '0' : text)
}
