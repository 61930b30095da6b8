// What the report's page uses of Apache ECharts; build.sh makes echarts.js of it.
import { init, use } from "echarts/core.js";
import { BarChart, CustomChart, LineChart, ScatterChart } from "echarts/charts.js";
import {
  DataZoomInsideComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent,
} from "echarts/components.js";
import { SVGRenderer } from "echarts/renderers.js";

use([
  BarChart, CustomChart, LineChart, ScatterChart,
  DataZoomInsideComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent,
  SVGRenderer,
]);

export { init };
