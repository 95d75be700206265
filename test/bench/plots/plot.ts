import { parse, type Spec, type TextEncodeEntry, type TextMark, View } from 'vega';
import type { Machine, Report } from '../report.ts';

/** A picture of some of a run's results. */
export interface Plot {
  /** The file's, without `.svg`. */
  name: string;
  /** Undefined where the run has no samples for it. */
  draw(report: Report): Spec | undefined;
}

/** The colours of Okabe and Ito, which those tell apart who see fewer. */
export const colours = {
  blue: '#0072b2',
  orange: '#d55e00',
  green: '#00795a',
  text: '#24292f',
  faint: '#57606a',
  line: '#d8dee4',
};

/** Pixels from the picture's edge to its texts, and from its upper and its lower edge to the plot's own area. */
const EDGE = 20;
const TOP = 84;
const BOTTOM = 104;

const FONT = 'Helvetica, Arial, sans-serif';

/** What all plots have in common: their type, and a ground of their own, so that they can be read on a dark page as well. */
export function frame({
  width,
  height,
  left,
  right,
}: Record<'width' | 'height' | 'left' | 'right', number>): Spec {
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width,
    height,
    // Nothing is laid out by the width of a text: without a canvas it could only be guessed.
    autosize: 'none',
    padding: { left, right, top: TOP, bottom: BOTTOM },
    background: '#ffffff',
    config: {
      axis: {
        domainColor: colours.line,
        gridColor: colours.line,
        labelColor: colours.text,
        labelFont: FONT,
        labelFontSize: 13,
        tickColor: colours.line,
        titleColor: colours.text,
        titleFont: FONT,
        titleFontSize: 13,
        titleFontWeight: 'normal',
      },
      text: { font: FONT, fontSize: 13, fill: colours.text },
    },
  };
}

/** What stands above a plot and at its foot, where it says when, on what and how it was measured. */
export function texts(
  { machine, rounds }: Report,
  left: number,
  words: Record<'title' | 'subtitle' | 'marks', string>,
): TextMark[] {
  const { title, subtitle, marks } = words;
  const foot = [madeOn(machine), `${rounds} ${rounds === 1 ? 'round' : 'rounds'}; ${marks}`];
  const line = (text: string | string[], y: string, enter: TextEncodeEntry): TextMark => ({
    type: 'text',
    encode: {
      enter: { x: { value: EDGE - left }, y: { signal: y }, text: { value: text }, ...enter },
    },
  });
  const faint = { fill: { value: colours.faint } };
  return [
    line(title, `${36 - TOP}`, { fontSize: { value: 17 }, fontWeight: { value: 'bold' } }),
    line(subtitle, `${58 - TOP}`, faint),
    line(foot, `height + ${BOTTOM - 32}`, { fontSize: { value: 12 }, lineHeight: { value: 17 }, ...faint }),
  ];
}

function madeOn({ date, node, engine, cpu }: Machine): string {
  const day = new Date(date).toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
  return `${day} · ${cpu}, everything on one machine · ${engine} · Node ${node.replace(/^v/, '')}`;
}

export async function toSvg(spec: Spec): Promise<string> {
  return new View(parse(spec), { renderer: 'none' }).toSVG();
}
