// Lists the keys of a tenant, and deletes what it lists.

const API = '/api/v1/cache';
const section = document.querySelector('#keys');
const form = section.querySelector('form');
const status = section.querySelector('[role="status"]');
const table = section.querySelector('table');
const rows = table.tBodies[0];
const nextPage = section.querySelector('#keys-next');
const deleteAll = section.querySelector('#keys-delete');

/** The tenant, pattern and tag of the page that is shown, whatever the form contains by now, and the cursor of the next page. */
let shown;

let busy = false;

/** @throws Error with the reason of the service */
async function send(tenant, target, init = {}) {
  const headers = { 'X-Tenant-ID': tenant, ...(init.body && { 'Content-Type': 'application/json' }) };
  const response = await fetch(API + target, { ...init, headers });
  if (response.status === 204) return undefined;
  const { success, data, error } = await response.json();
  if (!success) throw new Error(error.message);
  return data;
}

/** Shows a page of keys. */
async function list(query) {
  status.textContent = 'Loading';
  const { tenant, ...parameters } = query;
  const filled = Object.entries(parameters).filter(([, value]) => value);
  const data = await send(
    tenant,
    `/tenant/${encodeURIComponent(tenant)}/keys?${new URLSearchParams(filled)}`,
  );
  shown = { ...query, cursor: data.cursor };
  rows.replaceChildren(...data.keys.map(rowOf));
  showButtons();
  const count = `${data.keys.length || 'No'} ${data.keys.length === 1 ? 'key' : 'keys'}`;
  status.textContent = data.cursor ? `${count} on this page. There are more.` : `${count}.`;
}

function rowOf({ key, ttl, stale, tags }) {
  const row = document.createElement('tr');
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Delete';
  button.setAttribute('aria-label', `Delete ${key}`);
  button.addEventListener('click', () => act(() => remove([key], [row])));
  row.insertCell().append(key);
  row.insertCell().append(stale ? 'stale' : `${ttl} s`);
  row.insertCell().append(listOf(tags));
  row.insertCell().append(button);
  row.dataset.key = key;
  return row;
}

/** A list, because a tag may contain any separator. */
function listOf(tags) {
  const list = document.createElement('ul');
  for (const tag of tags) list.appendChild(document.createElement('li')).append(tag);
  return list;
}

async function remove(keys, removed) {
  const { tenant } = shown;
  if (keys.length === 1) await send(tenant, `?key=${encodeURIComponent(keys[0])}`, { method: 'DELETE' });
  else await send(tenant, '/batch/delete', { method: 'POST', body: JSON.stringify({ keys }) });
  // Move the focus, because the button that has it is removed with its row.
  const neighbour = removed.at(-1).nextElementSibling?.querySelector('button');
  for (const row of removed) row.remove();
  (neighbour ?? form.querySelector('button')).focus();
  showButtons();
  status.textContent = keys.length === 1 ? `Deleted ${keys[0]}.` : `Deleted ${keys.length} keys.`;
}

function showButtons() {
  table.hidden = rows.rows.length === 0;
  deleteAll.hidden = rows.rows.length === 0;
  nextPage.hidden = !shown.cursor;
}

/** Runs one action at a time, so that a double click does not delete twice. Shows the error of an action. */
async function act(action) {
  if (busy) return;
  busy = true;
  try {
    await action();
  } catch (error) {
    status.textContent = error.message;
  } finally {
    busy = false;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  act(() => list(Object.fromEntries(new FormData(form))));
});
nextPage.addEventListener('click', () => act(() => list(shown)));
deleteAll.addEventListener('click', () =>
  act(() => {
    const all = [...rows.rows];
    return remove(
      all.map((row) => row.dataset.key),
      all,
    );
  }),
);
