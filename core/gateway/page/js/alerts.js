/** The browser's notifications and a sound, for whoever has allowed them; never more than one in five seconds. */

import { counted } from "./amounts.js";
import { inWords } from "./announcer.js";
import { rank } from "./matching.js";

const EVERY = 5000;

export class Alerts {
  #choices;
  #onOpen;
  #number = 0;
  #worst = null;
  #timer = null;
  #audio = null;

  /** @param {import("./choices.js").Choices} choices @param {(event: Object) => void} onOpen a notification was pressed */
  constructor(choices, onOpen) {
    this.#choices = choices;
    this.#onOpen = onOpen;
    for (const press of ["pointerup", "keydown"]) addEventListener(press, () => choices.now.sound && this.#unlockSound());
  }

  take(event) {
    const { notify, sound, severity } = this.#choices.now;
    if (!(notify || sound) || rank(event.severity) < rank(severity)) return;
    this.#number += 1;
    if (!this.#worst || rank(event.severity) > rank(this.#worst.severity)) this.#worst = event;
    if (this.#timer === null) this.#tell();
  }

  /** Ask for the right to notify, and notify of that. @returns {Promise<string>} why not, or nothing */
  async allow() {
    if (!("Notification" in globalThis)) return "This browser has no notifications here: they need https or localhost.";
    if ((await Notification.requestPermission()) !== "granted") {
      return "This browser does not allow notifications for this page: its settings for the site say so.";
    }
    try {
      new Notification("rtp tells you here what comes.", { tag: "rtp", icon: "icon.svg" });
      return "";
    } catch {
      return "This browser shows no notifications of a page, as those of phones do not: a sound works.";
    }
  }

  /** The press that chooses it is answered with it. */
  async trySound() {
    await this.#unlockSound();
    this.#beep();
  }

  /** Browsers allow sound after a press only: the one that chooses it, or the first after the page was loaded anew. */
  #unlockSound() {
    this.#audio ??= new AudioContext();
    return this.#audio.state === "running" ? null : this.#audio.resume();
  }

  #tell() {
    const { notify, sound } = this.#choices.now;
    const event = this.#worst;
    if (notify && globalThis.Notification?.permission === "granted") this.#notify(event, this.#number - 1);
    if (sound) this.#beep();
    this.#number = 0;
    this.#worst = null;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#number) this.#tell();
    }, EVERY);
  }

  #notify(event, others) {
    const body = others ? `and ${counted(others, "more event")}` : `${event.previous ?? "–"} → ${event.current ?? "–"}`;
    const told = new Notification(inWords(event), { body, tag: "rtp", icon: "icon.svg" });
    told.onclick = () => {
      window.focus();
      this.#onOpen(event);
      told.close();
    };
  }

  #beep() {
    if (this.#audio?.state !== "running") return;
    const from = this.#audio.currentTime;
    const volume = this.#audio.createGain();
    const tone = this.#audio.createOscillator();
    tone.frequency.setValueAtTime(660, from);
    tone.frequency.setValueAtTime(880, from + 0.12);
    volume.gain.setValueAtTime(0.08, from);
    volume.gain.exponentialRampToValueAtTime(0.001, from + 0.35);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(from);
    tone.stop(from + 0.35);
  }
}
