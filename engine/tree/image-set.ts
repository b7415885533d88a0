/** Images of several collections that one command shows, made one after the other. */
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import type { TreeImage } from './tree-image.ts'

export class ImageSet implements StagedWork {
  readonly #images: readonly TreeImage[]
  readonly #wantRest: (wants: ColdWants) => void
  /** Those that are complete. */
  #made = 0

  /** `wantRest` names what is cold and the command needs of collections that have no image, or have been replaced. */
  constructor(images: readonly TreeImage[], wantRest: (wants: ColdWants) => void) {
    this.#images = images
    this.#wantRest = wantRest
  }

  get memoryBytes(): number {
    return this.#images.reduce((bytes, image) => bytes + image.memoryBytes, 0)
  }

  step(): boolean {
    for (; this.#made < this.#images.length; this.#made++) if ((this.#images[this.#made] as TreeImage).step()) return true
    return false
  }

  eachCold(wants: ColdWants): boolean {
    const next = this.#images[this.#made]
    if (next?.eachCold(wants) === true) return true
    for (const image of this.#images) image.eachCold(wants)
    this.wantRest(wants)
    return true
  }

  /** Names what is cold and the command needs beside the images. */
  wantRest(wants: ColdWants): void {
    this.#wantRest(wants)
  }

  /** The image of the value of `entry`, if there is one. */
  of(entry: number): TreeImage | undefined {
    return this.#images.find((image) => image.shows(entry))
  }
}
