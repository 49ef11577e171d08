import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDataset } from '../../src/data/dataset-files';

const GOOD_TITLES = '{"1": "Pen", "2": "Pad & \\"Ink\\"", "30": ""}';
const GOOD_ROWS = 'user_id,item_ids,timestamp\n18,"[1, 2, 30]",1070582400\n7,"[30, 1]",1070582401\n';

describe('loadDataset', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'recommender-data-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function write(titles: string | undefined, rows: string | undefined): string {
    if (titles !== undefined) writeFileSync(join(folder, 'id2name4Rec.json'), titles);
    if (rows !== undefined) writeFileSync(join(folder, 'train.csv'), rows);
    return folder;
  }

  it('reads titles, and rows whose last item is the target', () => {
    const { titles, rows, description } = loadDataset(write(GOOD_TITLES, GOOD_ROWS));
    expect([...titles]).toEqual([
      [1, 'Pen'],
      [2, 'Pad & "Ink"'],
      [30, ''],
    ]);
    expect(rows).toEqual([
      { user: 18, history: [1, 2], target: 30, time: 1070582400 },
      { user: 7, history: [30], target: 1, time: 1070582401 },
    ]);
    expect(description).toBe(folder);
  });

  it('does not mind more columns, a byte order mark or an empty last line', () => {
    const rows = '\uFEFFuser_id,mask,item_ids,timestamp\n18,x,"[1,2]",5\n\n';
    expect(loadDataset(write(`\uFEFF${GOOD_TITLES}`, rows)).rows).toEqual([
      { user: 18, history: [1], target: 2, time: 5 },
    ]);
  });

  const header = 'user_id,item_ids,timestamp\n';
  it.each([
    ['no catalogue', undefined, GOOD_ROWS, /id2name4Rec\.json: cannot be read \(ENOENT\)/],
    ['no rows file', GOOD_TITLES, undefined, /train\.csv: cannot be read \(ENOENT\)/],
    ['a catalogue cut short', '{"1": "Pe', GOOD_ROWS, /id2name4Rec\.json, line 1: not JSON/],
    ['a list as catalogue', '["Pen"]', GOOD_ROWS, /expected an object from item id to title/],
    ['an empty catalogue', '{}', GOOD_ROWS, /id2name4Rec\.json: no items/],
    ['an item id that is no number', '{"pen": "Pen"}', GOOD_ROWS, /got "pen"/],
    ['a title that is no string', '{"1": 5}', GOOD_ROWS, /the title of item 1 is not a string/],
    ['a header without rows', GOOD_TITLES, header, /train\.csv: no rows/],
    ['a missing column', GOOD_TITLES, 'user_id,items\n1,"[1, 2]"\n', /train\.csv, line 1: there is no column item_ids/],
    ['a row with too few fields', GOOD_TITLES, `${GOOD_ROWS}19,"[1, 2]"\n`, /train\.csv: .*line 4/],
    ['a quote that does not end', GOOD_TITLES, `${GOOD_ROWS}19,"[1, 2],5\n`, /train\.csv: .*line 4/],
    ['a user that is no number', GOOD_TITLES, `${header}x,"[1, 2]",5\n`, /line 2: user_id is not a whole number: "x"/],
    ['a user that is missing', GOOD_TITLES, `${header},"[1, 2]",5\n`, /line 2: user_id is not a whole number: ""/],
    ['a blank time', GOOD_TITLES, `${header}1,"[1, 2]", \n`, /line 2: timestamp is not a number: " "/],
    ['an item id with a leading zero', GOOD_TITLES, `${header}1,"[01, 2]",5\n`, /line 2: item_ids is not a list/],
    ['an item that occurs twice', '{\n"1": "Pen",\n"01": "Pad"}', GOOD_ROWS, /id2name4Rec\.json, line 3: .*"01"/],
    ['a list cut short', GOOD_TITLES, `${GOOD_ROWS}19,"[1, 2",5\n`, /line 4: item_ids is not a list/],
    ['a list of one item', GOOD_TITLES, `${header}1,"[1]",5\n`, /line 2: item_ids is not a list of two or more/],
    ['a time that is no number', GOOD_TITLES, `${header}1,"[1, 2]",\n`, /line 2: timestamp is not a number/],
    ['an unknown item', GOOD_TITLES, `${GOOD_ROWS}19,"[1, 99]",5\n`, /line 4: item 99 is not in id2name4Rec\.json/],
  ])('refuses %s and says where', (_, titles, rows, message) => {
    const written = write(titles, rows);
    expect(() => loadDataset(written)).toThrow(message);
  });

  it('names a path that is a folder', () => {
    write(undefined, GOOD_ROWS);
    mkdirSync(join(folder, 'id2name4Rec.json'));
    expect(() => loadDataset(folder)).toThrow(/cannot be read \(it is a folder, not a file\)/);
  });
});
