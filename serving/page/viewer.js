// The heat layer is drawn over the film by the browser, so that the slider shows its effect while it moves.
export default function ({ parentElement, data }) {
  for (const image of parentElement.querySelectorAll("img.film")) image.src = data.film;
  const heat = parentElement.querySelector("img.heat");
  const slider = parentElement.querySelector("input");
  heat.src = data.heat;
  const show = () => {
    heat.style.opacity = slider.value / 100;
    parentElement.querySelector("output").textContent = `${slider.value} %`;
  };
  slider.oninput = show;
  show();
}
