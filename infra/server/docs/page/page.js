/* global SwaggerUIBundle */

// The viewer's style sheet has dark colours; the page switches them on.
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

/** Indents JSON text and keeps the text of each number. */
function indented(text) {
  // Without `rawJSON`, 1.0 would be shown as 1, and long integers would be rounded.
  if (!JSON.rawJSON) return text;
  try {
    const value = JSON.parse(text, (_name, member, { source }) =>
      typeof member === 'number' ? JSON.rawJSON(source) : member,
    );
    return JSON.stringify(value, null, 2);
  } catch {
    return text;
  }
}

/** Shows the body of a response verbatim if it is JSON. */
function verbatimBody(Original, { React, getComponent }) {
  return function ResponseBody(props) {
    const { content, contentType } = props;
    if (typeof content !== 'string' || !/json/i.test(contentType))
      return React.createElement(Original, props);
    const HighlightCode = getComponent('HighlightCode', true);
    const look = { language: 'json', downloadable: true, fileName: 'answer.json', canCopy: true };
    return React.createElement(
      'div',
      null,
      React.createElement('h5', null, 'Response body'),
      React.createElement(HighlightCode, look, indented(content)),
    );
  };
}

/**
 * A documented response in one row: status, description, and a button that shows its example, schema and headers. Only successes
 * are open at first, because failures have similar headers and bodies.
 */
function collapsible(Original, { React, getComponent }) {
  return function Response(props) {
    const { code, className, response } = props;
    const [open, setOpen] = React.useState(code < '400');
    const Markdown = getComponent('Markdown', true);
    const toggle = {
      type: 'button',
      className: 'btn response-toggle',
      'aria-expanded': open,
      'aria-label': `Details of ${code}`,
      onClick: () => setOpen(!open),
    };
    return React.createElement(
      React.Fragment,
      null,
      React.createElement(
        'tr',
        { className: `response ${className ?? ''}` },
        React.createElement('td', { className: 'response-col_status' }, code),
        React.createElement(
          'td',
          { className: 'response-col_description' },
          React.createElement('button', toggle, 'Details'),
          React.createElement(Markdown, { source: response.get('description') }),
        ),
      ),
      open &&
        React.createElement(Original, {
          ...props,
          className: 'response-details',
          response: response.delete('description'),
        }),
    );
  };
}

/** Shows the path of an operation as text. The viewer shows a link, which is inside the button that opens the operation. */
function plainText(_Original, { React }) {
  return ({ text }) => React.createElement('span', null, text);
}

/** Adds attributes for keyboards and screen readers to the viewer's elements. */
function withAttributes(selector, attributes) {
  return (Original, { React }) =>
    function WithAttributes(props) {
      const ref = React.useRef(null);
      React.useEffect(() => {
        for (const element of ref.current.querySelectorAll(selector)) {
          for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
        }
      });
      return React.createElement(
        'div',
        { ref, className: 'with-attributes' },
        React.createElement(Original, props),
      );
    };
}

const scrollable = withAttributes('pre', { tabindex: '0' });

const plugin = {
  wrapComponents: {
    responseBody: verbatimBody,
    response: collapsible,
    DeepLink: plainText,
    ExamplesSelect: withAttributes('select', { 'aria-label': 'Example' }),
    TextArea: withAttributes('textarea', { 'aria-label': 'Request body' }),
    // A schema without a title has a button without a text.
    JSONSchema202012Accordion: withAttributes('button:has(.json-schema-2020-12-accordion__children:empty)', {
      'aria-label': 'Schema',
    }),
    HighlightCode: scrollable,
    curl: scrollable,
  },
};

SwaggerUIBundle({
  dom_id: '#docs',
  url: '/openapi.json',
  // The default validator is a service on the internet.
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // Schemas are shown with their operations only.
  defaultModelsExpandDepth: -1,
  // The default theme's numbers have too little contrast.
  syntaxHighlight: { theme: 'tomorrow-night' },
  plugins: [plugin],
});
