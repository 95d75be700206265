/* global SwaggerUIBundle */

// The viewer's style sheet has dark colours, but leaves it to the page when.
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

/** JSON text with line breaks and indentation, and with each number as it stands in the text. */
function indented(text) {
  // Without it a number goes through JavaScript's own, which would show 1.0 as 1 and long integers with other digits.
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

/** Shows the body of an answer verbatim where it is JSON. */
const verbatim = {
  wrapComponents: {
    responseBody: (Original, { React, getComponent }) => {
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
    },
  },
};

SwaggerUIBundle({
  dom_id: '#docs',
  url: '/openapi.json',
  // The viewer's own is a service on the internet.
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // The schemas stand with the operations that they belong to.
  defaultModelsExpandDepth: -1,
  plugins: [verbatim],
});
