/** Distances and coordinates as Redis writes them. */
import type { ReplyWriter } from '../reply-writer.ts'
import type { Place } from '../types/geo-hash.ts'
import { placeOf } from '../types/geo-hash.ts'
import type { Found } from './geo-found.ts'
import type { GeoSearch } from './geo-options.ts'

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

const place: Place = { longitude: 0, latitude: 0 }

/** One of the places that were found, with what is asked for besides. */
export function replyPlace(reply: ReplyWriter, asked: GeoSearch, { elements, distances }: Found, number: number): void {
  const { withDistance, withHash, withCoordinates, shape } = asked
  const extras = Number(withDistance) + Number(withHash) + Number(withCoordinates)
  const { members } = elements
  if (extras > 0) reply.array(extras + 1)
  reply.bulk(members.buffer, members.start(number), members.end(number))
  const score = elements.score(number)
  if (withDistance) replyDistance(reply, (distances[number] as number) / shape.unitMeters)
  if (withHash) reply.integer(Math.trunc(score))
  if (withCoordinates) replyCoordinates(reply, placeOf(score, place))
}
